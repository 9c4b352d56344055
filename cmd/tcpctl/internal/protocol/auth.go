package protocol

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/bcrypt"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/filewatch"
	"github.com/tcpctl/tcpctl/proxy"
)

// Kinds of auth in [services.NAME.ws].
const (
	authBasic = "basic" // a file of htpasswd with bcrypt; also for pages
	authToken = "token" // a file with a token in each line; for handshakes only: pages cannot send one with each of their files
)

// auth decides who may become a WebSocket client: those who know a secret in a file, which is read
// again when it changes. No part of a secret is ever logged.
type auth struct {
	kind, path string

	mu      sync.Mutex // serializes Refresh
	stamp   filewatch.Stamp
	failed  string            // why the last Refresh failed; "": it did not
	note    func(proxy.Event) // nil: no events until there is an engine
	secrets atomic.Pointer[secrets]

	key      [32]byte      // the key of the MACs in known
	known    sync.Map      // correct passwords, by MAC of name, password and hash: bcrypt runs once for each
	checking chan struct{} // bounds how many CPUs unauthenticated clients can keep busy with bcrypt
}

// secrets has the contents of a file.
type secrets struct {
	tokens [][32]byte        // their hashes
	hashes map[string][]byte // of passwords, by name
	// anyHash is one of hashes. It is compared with for unknown names, so that the time, which depends
	// on a hash's cost, does not reveal which names exist.
	anyHash []byte
}

// newAuth parses "basic:FILE" or "token:FILE"; nil for "".
func newAuth(spec string) (*auth, error) {
	if spec == "" {
		return nil, nil
	}
	a := &auth{checking: make(chan struct{}, 2)}
	a.kind, a.path, _ = strings.Cut(spec, ":")
	if a.kind != authBasic && a.kind != authToken || a.path == "" {
		return nil, &PartError{Key: "ws.auth", Hint: "write token:FILE or basic:FILE", Err: fmt.Errorf("%q does not name a kind and a file", spec)}
	}
	rand.Read(a.key[:])
	a.stamp.Changed(a.path)
	s, err := readSecrets(a.kind, a.path)
	if err != nil {
		return nil, err
	}
	a.secrets.Store(s)
	return a, nil
}

// maxCost bounds the time to check one password: each step doubles it, and 14 takes about a second.
const maxCost = 14

// readSecrets reads a file. Its errors contain nothing from the file.
func readSecrets(kind, path string) (*secrets, error) {
	wrong := func(line int, text, hint string) (*secrets, error) {
		return nil, &PartError{Key: "ws.auth", Hint: hint, Err: fmt.Errorf("%s:%d: %s", path, line, text)}
	}
	content, err := fileerror.Read(path, maxFile)
	if err != nil {
		return nil, &PartError{Key: "ws.auth", Err: err}
	}
	s, n := &secrets{hashes: map[string][]byte{}}, 0
	for line := range bytes.Lines(content) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if kind == authToken {
			if bytes.ContainsAny(line, " \t") {
				return wrong(n, "a token has no space", "write one token a line")
			}
			s.tokens = append(s.tokens, sha256.Sum256(line))
			continue
		}
		name, hash, found := bytes.Cut(line, []byte(":"))
		cost, err := bcrypt.Cost(hash)
		switch {
		case !found || len(name) == 0:
			return wrong(n, "it is no line of htpasswd", "htpasswd -B FILE NAME makes one")
		case err != nil:
			return wrong(n, "the password is not hashed with bcrypt", "htpasswd -B FILE NAME makes such a line")
		case cost > maxCost:
			return wrong(n, fmt.Sprintf("the cost %d of the hash is above %d", cost, maxCost), "htpasswd -B -C 10 FILE NAME makes one that does not take minutes")
		}
		s.anyHash = bytes.Clone(hash)
		s.hashes[string(name)] = s.anyHash
	}
	if len(s.tokens)+len(s.hashes) == 0 {
		return wrong(max(n, 1), "there is no secret in it: no client could come", "write one a line")
	}
	return s, nil
}

// Path is the file's.
func (a *auth) Path() string { return a.path }

// Note has what a refresh finds said by an engine, of a service.
func (a *auth) Note(service string, note func(proxy.Event)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.note = func(ev proxy.Event) {
		ev.Service, ev.Kind, ev.Text = service, proxy.EventAccess, service+": ws.auth: "+ev.Text
		note(ev)
	}
}

// Refresh reads the file again if it has changed. Where it cannot be read, the
// secrets that there are stay in force.
func (a *auth) Refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stamp.Changed(a.path) {
		return
	}
	s, err := readSecrets(a.kind, a.path)
	a.stamp.Failed(err)
	ev := proxy.Event{Text: "read " + a.path + " again"}
	if err == nil {
		a.secrets.Store(s)
		a.known.Clear()
		a.failed = ""
	} else {
		if err.Error() == a.failed {
			return // it was said
		}
		a.failed = err.Error()
		ev.Level, ev.Text = proxy.LevelWarn, WithHint(err)+"; the secrets from before stay in force"
	}
	if a.note != nil {
		a.note(ev)
	}
}

// authorize returns the challenge for a client that is not authorized; "": it is authorized.
func (a *auth) authorize(r *http.Request) (challenge string) {
	s := a.secrets.Load()
	if a.kind == authToken {
		if s.hasToken(tokenOf(r)) {
			return ""
		}
		return `Bearer realm="tcpctl"`
	}
	name, password, ok := r.BasicAuth()
	if ok && a.hasPassword(s, name, password) {
		return ""
	}
	return `Basic realm="tcpctl", charset="UTF-8"`
}

// tokenOf returns the token that a client has sent: in its Authorization header or, as browsers
// cannot set that for a WebSocket, in ?token=.
func tokenOf(r *http.Request) string {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("token")
}

// hasToken takes the same time for each token, valid or not.
func (s *secrets) hasToken(token string) bool {
	sum, found := sha256.Sum256([]byte(token)), 0
	for i := range s.tokens {
		found |= subtle.ConstantTimeCompare(sum[:], s.tokens[i][:])
	}
	return found == 1
}

func (a *auth) hasPassword(s *secrets, name, password string) bool {
	hash, there := s.hashes[name]
	if !there {
		hash = s.anyHash
	}
	sum := sha256.New()
	for _, part := range [][]byte{a.key[:], hash, []byte(password)} {
		fmt.Fprintf(sum, "%d:", len(part))
		sum.Write(part)
	}
	known := [32]byte(sum.Sum(nil))
	if _, ok := a.known.Load(known); ok && there {
		return true
	}
	a.checking <- struct{}{}
	defer func() { <-a.checking }()
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !there {
		return false
	}
	a.known.Store(known, true)
	return true
}

// pages requires a password for files.
func (a *auth) pages(web http.Handler) http.Handler {
	if a == nil || a.kind != authBasic || web == nil {
		return web
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if challenge := a.authorize(r); challenge != "" {
			w.Header().Set("WWW-Authenticate", challenge)
			http.Error(w, "a name and a password are needed", http.StatusUnauthorized)
			return
		}
		web.ServeHTTP(w, r)
	})
}
