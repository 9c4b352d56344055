package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestSSLTarget: ws --ssl-target in front of openssl's server, which returns each line reversed. If
// another CA signed its certificate, or for another name, clients get 502, and status has the
// reason.
func TestSSLTarget(t *testing.T) {
	t.Parallel()
	needs(t, "openssl")
	dir, server := t.TempDir(), proxytest.FreePort(t)
	ours := newIssuer(t, dir, "ours")
	newIssuer(t, dir, "theirs")
	ours.issue("desk", "desk.example.org", time.Hour)
	startProgram(t, server, "openssl", "s_server", "-accept", server, "-cert", dir+"/desk.pem", "-key", dir+"/desk.key", "-rev", "-quiet")
	for _, c := range []struct {
		name, ca string
		reason   proxy.Reason
		said     string
	}{
		{"desk.example.org", "ours", "", ""},
		{"desk.example.org", "theirs", proxy.ReasonTLSUnknownCA, `signed by an unknown CA ("ours")`},
		{"mail.example.org", "ours", proxy.ReasonTLSWrongName, "its certificate is for desk.example.org, not for mail.example.org"},
		{"desk.example.org", "ours", "", ""}, // the server still works
	} {
		in := runInstance(t, nil, "ws", "--no-ui", "--local", "127.0.0.1:0", "--remote", server,
			"--ssl-target", "--target-ca", filepath.Join(dir, c.ca+".pem"), "--target-name", c.name)
		what := fmt.Sprintf("--target-ca %s --target-name %s", c.ca, c.name)
		client := call("ws://" + in.addr() + "/")
		if c.reason == "" {
			if err := client.exchange("stressed", "desserts"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			client.end()
			continue
		}
		if status, err := client.told(); status != http.StatusBadGateway {
			t.Errorf("%s: answered %d, %v", what, status, err)
		}
		in.until("it has the reason", func(s *proxy.ServiceInfo) bool {
			return len(s.TLSFailures) == 1 && s.TLSFailures[0].Reason == c.reason && s.TLSFailures[0].Count > 0
		})
		if out := in.tcpctl("status"); !strings.Contains(out, c.said) {
			t.Errorf("%s: status does not say %q:\n%s", what, c.said, out)
		}
	}
}
