package protocol

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

// TestKeysThatChange: openssl's client updates its keys; its command K asks for an update of ours, too.
func TestKeysThatChange(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl command")
	}
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { overTLS(c) })
	cmd := exec.CommandContext(t.Context(), path, "s_client", "-connect", v.addr, "-quiet", "-no_ign_eof")
	r, in := proxytest.Packets(t)
	cmd.Stdin = r
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	c := &raw{t, nil, bufio.NewReader(out)}
	io.WriteString(in, opening("localhost", "/"))
	if resp := c.answer(); resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	for i, command := range []string{"K", "k", "K", "K", "k"} {
		fmt.Fprintln(in, command)
		want := fmt.Sprint("behind ", i)
		in.Write(frame(0x82, []byte(want)))
		if got := c.hears(); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	in.Write(frame(0x88, []byte{3, 0xe8}))
	if r := v.record(); r.Reason != proxy.ReasonFIN || r.CloseCode != 1000 || r.BytesIn != 40 || r.BytesOut != 40 {
		t.Errorf("record %+v", r)
	}
}
