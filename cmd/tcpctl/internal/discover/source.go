package discover

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy"
)

// source is one place where backends are found.
type source interface {
	// ask returns the backends that there are now. A source that learns of changes by itself
	// returns at the next one, or after patience; the others return at once.
	// Patience 0 means that all return at once.
	ask(ctx context.Context, patience time.Duration) (answer, error)
	// close ends what the source keeps open; ask is not called any more.
	close()
}

// answer is what a source has said.
type answer struct {
	backends []proxy.BackendConfig
	valid    time.Duration // it need not be asked again for so long; 0: ask again at once
}

// Limits of one answer: more than that is a mistake, and would be a load.
const (
	maxBackends = 1000
	maxBytes    = 1 << 20 // of text from a program or a file
)

// complete gives each backend of an answer what the source says nothing about,
// sorts them by name and checks them. What cannot be a backend makes the whole
// answer an error: half an answer would remove the other half.
func complete(found []proxy.BackendConfig, usual proxy.BackendConfig, kind string) ([]proxy.BackendConfig, error) {
	if len(found) > maxBackends {
		return nil, fmt.Errorf("the answer has %d backends: at most %d can be used", len(found), maxBackends)
	}
	all := make([]proxy.BackendConfig, 0, len(found))
	for _, b := range found {
		b.Name = cmp.Or(b.Name, b.Addr)
		b.Weight, b.Priority = cmp.Or(b.Weight, usual.Weight, 1), cmp.Or(b.Priority, usual.Priority)
		b.MaxSessions, b.CheckPort = cmp.Or(b.MaxSessions, usual.MaxSessions), cmp.Or(b.CheckPort, usual.CheckPort)
		b.TLS = spokenTLS(usual.TLS, b.TLS)
		b.Restart, b.ReadyTimeout, b.FoundBy = usual.Restart, usual.ReadyTimeout, kind
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("backend %q cannot be used: %w", b.Name, err)
		}
		all = append(all, b)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	all = slices.CompactFunc(all, func(a, b proxy.BackendConfig) bool { return reflect.DeepEqual(a, b) })
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			return nil, fmt.Errorf("the answer has two different backends of the name %q", all[i].Name)
		}
	}
	return all, nil
}

// spokenTLS is how TLS is spoken to a backend that a source has found: as is usual, for
// the name that the source knows it by where there is no other.
func spokenTLS(usual, found *proxy.BackendTLS) *proxy.BackendTLS {
	if usual == nil || usual.Name != "" || found == nil {
		return usual
	}
	t := *usual
	t.Name = found.Name
	return &t
}

// maxName is how long a backend's name may be, in bytes.
const maxName = 64

// backendName makes a name that commands can take of what a source calls a
// backend; the same one each time. What has to be cut off is told apart by a
// hash of all.
func backendName(key string) string {
	name := strings.TrimLeft(strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '-'
		}
		return r
	}, key), "-")
	if name == key && len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(key))
	const hash = 8
	short := cmp.Or(strings.ToValidUTF8(name[:min(len(name), maxName-hash-1)], ""), "backend")
	return short + "-" + hex.EncodeToString(sum[:])[:hash]
}

// validName says whether a host name can be asked for at all.
func validName(host string) bool {
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	if net.ParseIP(host) != nil {
		return true
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return true
}
