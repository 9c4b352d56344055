package tlsrecord

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
)

// nothing is a connection whose reads and writes cost nothing.
type nothing struct{ net.Conn }

func (nothing) Write(p []byte) (int, error) { return len(p), nil }

var sizes = []int{128, 4096, maxContent, 4 * maxContent}

func BenchmarkSeal(b *testing.B) {
	for _, n := range sizes {
		for i := range suites {
			b.Run(fmt.Sprint(tls.CipherSuiteName(suites[i].id), "/", n), func(b *testing.B) {
				client, _ := pair(b, &suites[i])
				plain, room := make([]byte, n), make([]byte, 0, n+Overhead(n))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					client.Seal(room, plain)
				}
			})
		}
	}
}

// BenchmarkOpen resets the sequence number after each round, which only a benchmark may
// do.
func BenchmarkOpen(b *testing.B) {
	for _, n := range sizes {
		for i := range suites {
			b.Run(fmt.Sprint(tls.CipherSuiteName(suites[i].id), "/", n), func(b *testing.B) {
				client, server := pair(b, &suites[i])
				records, room := client.Seal(nil, make([]byte, n)), make([]byte, 0, n+MaxPlain)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					server.in.seq = 0
					if plain, _, err := server.Open(room, records); len(plain) != n || err != nil {
						b.Fatal(len(plain), err)
					}
				}
			})
		}
	}
}

// BenchmarkConnWrite is crypto/tls's Write, to compare with Seal: after the handshake,
// over a connection that costs nothing.
func BenchmarkConnWrite(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			server, client := configs(b)
			client.DynamicRecordSizingDisabled = true
			s, c := dialled(b)
			go tls.Server(s, server).Handshake()
			under := &switched{Conn: c}
			over := tls.Client(under, client)
			if err := over.Handshake(); err != nil {
				b.Fatal(err)
			}
			under.Conn = nothing{c}
			plain := make([]byte, n)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := over.Write(plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// switched is a connection that can be replaced.
type switched struct{ net.Conn }

// BenchmarkHandshake is Server's handshake and crypto/tls's, with a client of crypto/tls.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		for name, shake := range map[string]func(net.Conn, *tls.Config) error{
			"Server": func(c net.Conn, config *tls.Config) error {
				_, err := Server(b.Context(), c, config)
				return err
			},
			"tls.Server": func(c net.Conn, config *tls.Config) error { return tls.Server(c, config).HandshakeContext(b.Context()) },
		} {
			b.Run(fmt.Sprintf("%s/resumed=%v", name, resumed), func(b *testing.B) {
				server, client := configs(b)
				if resumed {
					client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				}
				b.ReportAllocs()
				for b.Loop() {
					s, c := dialled(b)
					done := make(chan struct{})
					go func() {
						defer close(done)
						over := tls.Client(c, client)
						over.Handshake()
						io.Copy(io.Discard, over)
						c.Close()
					}()
					if err := shake(s, server); err != nil {
						b.Fatal(err)
					}
					s.Close()
					<-done
				}
			})
		}
	}
}
