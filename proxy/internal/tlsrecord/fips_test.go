package tlsrecord

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"
)

// TestFIPS140IsLeftToCryptoTLS runs itself in that mode, in which crypto/tls, the
// validated code, handles the records.
func TestFIPS140IsLeftToCryptoTLS(t *testing.T) {
	if !fips140.Enabled() {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=on")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	server, client := configs(t)
	h, _, c := shaken(t, server, client)
	if h.Session != nil || h.Conn == nil {
		t.Fatal("taken over")
	}
	exchange(t, h.Conn, c, 100_000)
}
