package ws_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
	"github.com/tcpctl/tcpctl/ws"
)

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// Dialer and Listener with all options negotiated, over TCP and TLS.
func TestDialToListener(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	for _, secure := range []bool{false, true} {
		for _, packed := range []bool{false, true} {
			for _, sub := range []string{"", "binary", "base64"} {
				t.Run(fmt.Sprint(secure, packed, sub), func(t *testing.T) {
					cfg := ws.Config{Compression: packed, Subprotocols: []string{"base64"}}
					d := ws.Dialer{Compression: packed, TLS: &tls.Config{RootCAs: pool}}
					scheme := "ws"
					if secure {
						scheme, cfg.TLS = "wss", &tls.Config{Certificates: []tls.Certificate{cert}}
					}
					if sub != "" {
						d.Subprotocols = []string{"none", sub}
					}
					b := startBridge(t, cfg, echo)
					c, err := d.Dial(context.Background(), scheme+"://"+b.addr+"/?x=y")
					if err != nil {
						t.Fatal(err)
					}
					if c.Subprotocol() != sub || (c.Encoding() == ws.Base64) != (sub == "base64") {
						t.Errorf("subprotocol %q, encoding %q", c.Subprotocol(), c.Encoding())
					}
					payload := strings.Repeat("compressible, ", 50_000)
					go io.WriteString(c, payload)
					got := make([]byte, len(payload))
					if _, err := io.ReadFull(c, got); err != nil || string(got) != payload {
						t.Fatalf("%v %q", err, shorten(string(got)))
					}
					if err := c.CloseWith(4000, "done"); err != nil {
						t.Error(err)
					}
					waitFor(t, "the code", func() bool { return b.last().CloseError() != nil })
					if e := b.last().CloseError(); e.Code != 4000 || e.Reason != "done" || !e.ByPeer {
						t.Errorf("%+v", e)
					}
				})
			}
		}
	}
}

// fakeServer sends the given response to each handshake.
func fakeServer(t *testing.T, answer func(key string) string) string {
	t.Helper()
	return "ws://" + proxytest.Serve(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err == nil {
			io.WriteString(c, answer(r.Header.Get("Sec-WebSocket-Key")))
		}
		c.SetReadDeadline(time.Now().Add(patience))
		io.Copy(io.Discard, c)
	})
}

const okAnswer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"

func TestBadResponses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"refused":                    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
		"200":                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no Upgrade":                 strings.Replace(okAnswer, "Upgrade: websocket\r\n", "", 1) + "\r\n",
		"no Connection":              strings.Replace(okAnswer, "Connection: Upgrade\r\n", "", 1) + "\r\n",
		"no proof":                   strings.Replace(okAnswer, "Sec-WebSocket-Accept: KEY\r\n", "", 1) + "\r\n",
		"wrong proof":                strings.Replace(okAnswer, "KEY", sampleAccept, 1) + "\r\n",
		"a subprotocol":              okAnswer + "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
		"two subprotocols":           okAnswer + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
		"an extension":               okAnswer + "Sec-WebSocket-Extensions: x-unknown\r\n\r\n",
		"deflate with a context":     okAnswer + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		"deflate with our window":    okAnswer + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=10\r\n\r\n",
		"deflate twice":              okAnswer + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover\r\n\r\n",
		"deflate with a double term": okAnswer + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover\r\n\r\n",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			url := fakeServer(t, func(key string) string { return strings.Replace(answer, "KEY", ws.AcceptKey(key), 1) })
			d := ws.Dialer{Subprotocols: []string{"chat"}, Compression: true}
			_, err := d.Dial(context.Background(), url)
			var e *ws.HandshakeError
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if name == "refused" && (e.Response.StatusCode != 503 || e.Response.Header.Get("Retry-After") != "5") {
				t.Errorf("%v", e.Response)
			}
		})
	}
	t.Run("a redirect", func(t *testing.T) {
		url := fakeServer(t, func(string) string {
			return "HTTP/1.1 302 Found\r\nLocation: https://u:hush@login.test/in?token=hush\r\nContent-Length: 0\r\n\r\n"
		})
		if _, err := ws.Dial(context.Background(), url); err == nil || !strings.Contains(err.Error(), `302 Found and redirects to "https://login.test/in", which`) || strings.Contains(err.Error(), "hush") {
			t.Fatal(err)
		}
	})
	t.Run("an end", func(t *testing.T) {
		url := "ws://" + proxytest.Serve(t, func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)) })
		if _, err := ws.Dial(context.Background(), url); err == nil || !strings.Contains(err.Error(), "the server ended the connection without a response") {
			t.Fatal(err)
		}
	})
	t.Run("early hints", func(t *testing.T) {
		url := fakeServer(t, func(key string) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + strings.Replace(okAnswer, "KEY", ws.AcceptKey(key), 1) + "\r\n"
		})
		c, err := ws.Dial(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	})
	t.Run("endless early hints", func(t *testing.T) {
		url := fakeServer(t, func(string) string { return strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000) })
		if _, err := ws.Dial(context.Background(), url); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Fatal(err)
		}
	})
	t.Run("endless headers", func(t *testing.T) {
		url := fakeServer(t, func(string) string { return "HTTP/1.1 101 X\r\n" + strings.Repeat("X: y\r\n", 10_000) })
		if _, err := ws.Dial(context.Background(), url); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Fatal(err)
		}
	})
	t.Run("silence", func(t *testing.T) {
		url := fakeServer(t, func(string) string { return "" })
		d := ws.Dialer{HandshakeTimeout: 50 * time.Millisecond}
		if _, err := d.Dial(context.Background(), url); err == nil {
			t.Fatal("it dialled")
		}
	})
}

// A client is as strict as a server, and fails on masked frames.
func TestServerViolations(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes string
		code  ws.CloseCode
	}{
		"masked":          {string(frame(fin|binry, "x")), ws.ProtocolError},
		"reserved opcode": {"\x83\x00", ws.ProtocolError},
		"reserved bit":    {"\xc2\x00", ws.ProtocolError},
		"bad text":        {"\x81\x01\xff", ws.InvalidPayload},
		"bad close code":  {"\x88\x02\x03\xed", ws.ProtocolError},
		"lost":            {"\x82\x05hel", ws.AbnormalClosure},
	} {
		t.Run(name, func(t *testing.T) {
			ln := proxytest.Listen(t)
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err == nil {
					// In one write with the answer, so that it comes early.
					io.WriteString(c, strings.Replace(okAnswer, "KEY", ws.AcceptKey(r.Header.Get("Sec-WebSocket-Key")), 1)+"\r\n"+tt.bytes)
				}
				if name != "lost" {
					io.Copy(io.Discard, c)
				}
			}()
			c, err := ws.Dial(context.Background(), "ws://"+ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = io.ReadAll(c)
			var e *ws.CloseError
			if !errors.As(err, &e) || e.Code != tt.code || e.ByPeer {
				t.Fatalf("%v", err)
			}
		})
	}
}

func TestBadURLs(t *testing.T) {
	for _, url := range []string{"http://u:hush@x/", "ws://u:hush@/path", "ws://u:hush@x/#frag", "x", "ws://u:hush@[::1", "ws://u:hush@x/%", "ws://u:hu%sh@x/", ""} {
		if _, err := ws.Dial(context.Background(), url); err == nil || !strings.HasPrefix(err.Error(), "ws: ") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", url, err)
		}
	}
	d := ws.Dialer{Subprotocols: []string{"chat", "a b"}}
	if _, err := d.Dial(context.Background(), "ws://127.0.0.1:1"); err == nil || err.Error() != `ws: subprotocol "a b" is not a token` {
		t.Error(err)
	}
}

// Dial returns its context's error, wherever it was waiting.
func TestDialContext(t *testing.T) {
	t.Parallel()
	_, pool := certificate(t)
	for _, scheme := range []string{"ws", "wss"} {
		ln := proxytest.Listen(t) // and nothing accepts
		ctx, cancel := context.WithCancel(context.Background())
		d := ws.Dialer{TLS: &tls.Config{RootCAs: pool}, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			defer time.AfterFunc(10*time.Millisecond, cancel)
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}
		if _, err := d.Dial(ctx, scheme+"://"+ln.Addr().String()); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", scheme, err)
		}
		d.HandshakeTimeout = 10 * time.Millisecond
		d.NetDial = nil
		if _, err := d.Dial(context.Background(), scheme+"://"+ln.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

// A server's explanation of its refusal is part of the error, if it is short.
func TestDialSaysWhatTheServerSaid(t *testing.T) {
	long := strings.Repeat("x", 600)
	for body, want := range map[string]string{
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n\r\ntoo\x1b many\n": `"too\x1b many"`,
		"Content-Type: text/html\r\nContent-Length: 4\r\n\r\nhtml":                            "",
		"Content-Type: text/plain\r\n\r\nno length":                                           "",
		"Content-Type: text/plain\r\nContent-Length: 600\r\n\r\n" + long:                      "",
	} {
		_, err := ws.Dial(context.Background(), fakeServer(t, func(string) string { return "HTTP/1.1 503 Service Unavailable\r\n" + body }))
		said := "ws: dial: the server refused the handshake (the server answered 503 Service Unavailable"
		if want != "" {
			said += ": " + want
		}
		if err == nil || err.Error() != said+")" {
			t.Errorf("%q: %v", body[:30], err)
		}
	}
}
