package discover

import (
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestTLSOfWhatIsFound: if the configuration requires TLS, every found backend has it, whatever the
// source says; the name is the source's if the configuration has none.
func TestTLSOfWhatIsFound(t *testing.T) {
	t.Parallel()
	found := []proxy.BackendConfig{{Name: "a", Addr: "10.0.0.1:1"}, {Name: "b", Addr: "10.0.0.2:1", TLS: &proxy.BackendTLS{Name: "b.example.org", Insecure: true}}}
	for _, c := range []struct {
		usual *proxy.BackendTLS
		want  []*proxy.BackendTLS
	}{
		{nil, []*proxy.BackendTLS{nil, nil}},
		{&proxy.BackendTLS{CA: "ca.pem"}, []*proxy.BackendTLS{{CA: "ca.pem"}, {CA: "ca.pem", Name: "b.example.org"}}},
		{&proxy.BackendTLS{Name: "db"}, []*proxy.BackendTLS{{Name: "db"}, {Name: "db"}}},
	} {
		all, err := complete(found, proxy.BackendConfig{TLS: c.usual}, "srv")
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range all {
			if got, want := b.TLS, c.want[i]; (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Errorf("%+v makes of %s %+v, wants %+v", c.usual, b.Name, got, want)
			}
		}
	}
}
