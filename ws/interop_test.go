package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/tcpctl/tcpctl/ws"
)

var coderModes = map[string]websocket.CompressionMode{
	"plain":               websocket.CompressionDisabled,
	"no context takeover": websocket.CompressionNoContextTakeover,
	"context takeover":    websocket.CompressionContextTakeover,
}

func TestCoderAsClient(t *testing.T) {
	b := startBridge(t, ws.Config{Compression: true, Subprotocols: []string{"chat"}}, echo)
	for name, mode := range coderModes {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, _, err := websocket.Dial(ctx, "ws://"+b.addr, &websocket.DialOptions{CompressionMode: mode, Subprotocols: []string{"chat"}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if c.Subprotocol() != "chat" {
				t.Errorf("subprotocol %q", c.Subprotocol())
			}
			for _, n := range []int{1, 100, 127, 5000, 30_000} {
				want := strings.Repeat("echo! ", n/6+1)[:n]
				if err := c.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
					t.Fatal(err)
				}
				var got []byte
				for len(got) < n {
					typ, part, err := c.Read(ctx)
					if err != nil || typ != websocket.MessageBinary {
						t.Fatal(typ, err)
					}
					got = append(got, part...)
				}
				if string(got) != want {
					t.Fatalf("%d bytes: %q", n, shorten(string(got)))
				}
			}
			read := c.CloseRead(ctx)
			if err := c.Ping(ctx); err != nil {
				t.Error(err)
			}
			if err := c.Close(4001, "bye"); err != nil {
				t.Error(err)
			}
			<-read.Done()
			waitFor(t, "the code", func() bool { return b.last().CloseError() != nil })
			if e := b.last().CloseError(); e.Code != 4001 || e.Reason != "bye" || !e.ByPeer {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestCoderAsServer(t *testing.T) {
	t.Parallel()
	for name, mode := range coderModes {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, packed), func(t *testing.T) {
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, Subprotocols: []string{"chat"}})
					if err != nil {
						return
					}
					c.SetReadLimit(-1)
					for {
						typ, msg, err := c.Read(r.Context())
						if err != nil {
							return
						}
						if string(msg) == "leave" {
							c.Close(4002, "you asked")
							return
						}
						if c.Write(r.Context(), typ, msg) != nil {
							return
						}
					}
				}))
				defer srv.Close()
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				d := ws.Dialer{Compression: packed, Subprotocols: []string{"chat"}, Encoding: ws.Text}
				c, err := d.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http"))
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				want := strings.Repeat("€uro ", 100_000)
				go io.WriteString(c, want)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte(want)) {
					t.Fatal(err)
				}
				ponged := make(chan error)
				go func() { ponged <- c.Ping(ctx) }()
				go func() {
					if err := <-ponged; err != nil {
						t.Error(err)
					}
					io.WriteString(c, "leave")
				}()
				if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
					t.Fatal(rest, err)
				}
				if e := c.CloseError(); e.Code != 4002 || e.Reason != "you asked" || !e.ByPeer {
					t.Errorf("%+v", e)
				}
				if err := c.Close(); err != nil && !errors.Is(err, io.EOF) {
					t.Error(err)
				}
			})
		}
	}
}
