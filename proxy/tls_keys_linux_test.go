package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestTLSKeysThatChange uses openssl's client: K asks for our update, too.
func TestTLSKeysThatChange(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl command")
	}
	onEach(t, func(t *testing.T) {
		v := serverTLS(t, nil)
		cmd := exec.CommandContext(t.Context(), path, "s_client", "-connect", v.addr(), "-quiet", "-no_ign_eof")
		r, in := proxytest.Packets(t)
		cmd.Stdin = r
		pipe, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer in.Close()
		out, sent := bufio.NewReader(pipe), 0
		says := func(text, want string) {
			t.Helper()
			fmt.Fprintln(in, text)
			sent += len(text) + 1
			if got, err := out.ReadString('\n'); got != want+"\n" {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		says("hello", "a hello")
		for i, command := range []string{"K", "k", "K", "K", "k"} {
			fmt.Fprintln(in, command)
			says(fmt.Sprint("behind ", i), fmt.Sprint("behind ", i))
		}
		long := strings.Repeat("y", 9000)
		says(long, long)
		in.Close()
		if rest, err := io.ReadAll(out); len(rest) > 0 || err != nil {
			t.Errorf("at the end %q, %v", rest, err)
		}
		if r := v.record(); r.Reason != proxy.ReasonFIN || r.BytesIn != int64(sent) {
			t.Errorf("record %+v, sent %d", r, sent)
		}
	})
}
