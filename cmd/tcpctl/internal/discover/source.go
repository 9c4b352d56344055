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

// source is where backends are found.
type source interface {
	// ask returns the current backends. A source that is notified of changes returns at the next
	// one, or after patience; the others return at once. With patience 0 all return at once.
	ask(ctx context.Context, patience time.Duration) (answer, error)
	// close releases the source's resources; ask is not called afterwards.
	close()
}

type answer struct {
	backends []proxy.BackendConfig
	valid    time.Duration // how long it need not be asked again; 0: ask again at once
}

// Limits of one answer: more would be a mistake, and a burden.
const (
	maxBackends = 1000
	maxBytes    = 1 << 20 // of text from a program or a file
)

// complete adds the defaults to the backends of an answer, sorts them by name and checks them. One
// invalid backend makes the whole answer an error: half an answer would remove the other half.
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

// spokenTLS returns the TLS settings for a found backend: those of the configuration, with the
// source's name for it unless the configuration has one.
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

// backendName makes a name that commands accept from a source's name for a backend, always the same
// one. A name that must be shortened gets a hash of the whole.
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

// validName reports whether a host name can be queried at all.
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
