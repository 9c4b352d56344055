package mesh_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// runNode makes this test binary one node: MESH_TEST_NODE is "name,mesh,listen[,join…]". It prints its events as JSON lines,
// and shuts down on SIGTERM or at the end of its stdin, so that it cannot outlive its test.
func runNode(role string) {
	f := strings.Split(role, ",")
	var secrets []string
	if s := os.Getenv("MESH_TEST_SECRET"); s != "" {
		secrets = []string{s}
	}
	n, err := mesh.New(mesh.Config{Secrets: secrets, Name: f[1], Node: f[0], Join: f[3:], NoMDNS: os.Getenv("MESH_TEST_NOMDNS") != "", OnError: func(err error) {
		fmt.Fprintln(os.Stderr, f[0], err)
	}})
	if err == nil {
		err = n.Listen(context.Background(), f[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(mesh.Event{Kind: "started", At: time.Now(), Peer: meshinfo.Peer{Addr: n.Addr().String()}})
	events := n.Events(context.Background())
	go func() {
		for e := range events {
			_ = out.Encode(e)
		}
	}()
	<-ctx.Done()
	bound, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	_ = n.Shutdown(bound)
}
