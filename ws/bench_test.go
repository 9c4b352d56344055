package ws

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
)

// The inner loop of client → TCP: header and mask, in place.
func BenchmarkParse(b *testing.B) {
	for _, size := range []int{16, 128, 4096, 64 << 10} {
		for _, op := range []byte{opBinary, opText} {
			b.Run(fmt.Sprintf("%s/%d", map[byte]string{opBinary: "binary", opText: "text"}[op], size), func(b *testing.B) {
				frame := make([]byte, headroom+size)
				frame = append([]byte(nil), putHeader(frame[:headroom+min(size, maxFrame)], headroom, min(size, maxFrame), bitFin|op, true)...)
				var key [4]byte // unmasking twice is masking: with a key of zeros text stays text
				copy(frame[len(frame)-min(size, maxFrame)-4:], key[:])
				for i := range frame[len(frame)-min(size, maxFrame):] {
					frame[len(frame)-1-i] = 'x'
				}
				var p parser
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					rest := frame
					var bad *CloseError
					for len(rest) > 0 {
						if _, rest, bad = p.next(rest); bad != nil {
							b.Fatal(bad)
						}
					}
				}
			})
		}
	}
}

func BenchmarkMask(b *testing.B) {
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		maskBytes(p, [4]byte{1, 2, 3, 4}, 1)
	}
}

// A relay on loopback: one side WebSocket, the other TCP.
func relay(b *testing.B) (client *Conn, server *Conn, near, far *net.TCPConn) {
	l, err := Listen("tcp", "127.0.0.1:0", Config{})
	if err != nil {
		b.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() { c, _ := l.Accept(); accepted <- c }()
	if client, err = Dial(context.Background(), "ws://"+l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	server = (<-accepted).(*Conn)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	x, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	y, err := ln.Accept()
	if err != nil {
		b.Fatal(err)
	}
	near, far = x.(*net.TCPConn), y.(*net.TCPConn)
	b.Cleanup(func() { client.CloseNow(); server.CloseNow(); near.Close(); far.Close(); l.Close() })
	return client, server, near, far
}

const bulk = 64 << 10

func BenchmarkClientToTCP(b *testing.B) {
	client, server, near, far := relay(b)
	go server.WriteTo(near)
	go func() {
		// Raw frames, so that the client's own masking is not what is measured.
		frame := putHeader(make([]byte, headroom+maxFrame), headroom, maxFrame, bitFin|opBinary, true)
		for {
			if _, err := client.conn.Write(frame); err != nil {
				return
			}
		}
	}()
	b.SetBytes(bulk)
	b.ReportAllocs()
	buf := make([]byte, bulk)
	for b.Loop() {
		if _, err := io.ReadFull(far, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTCPToClient(b *testing.B) {
	client, server, near, far := relay(b)
	go server.ReadFrom(near)
	go func() {
		buf := make([]byte, bulk)
		for {
			if _, err := far.Write(buf); err != nil {
				return
			}
		}
	}()
	b.SetBytes(bulk)
	b.ReportAllocs()
	buf := make([]byte, bulk)
	for b.Loop() {
		if _, err := io.ReadFull(client.conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// What TCP alone does here, through one io.Copy with splicing: the ceiling.
func BenchmarkPlainTCP(b *testing.B) {
	_, _, near, far := relay(b)
	_, _, near2, far2 := relay(b)
	go io.Copy(near2, near)
	go func() {
		buf := make([]byte, bulk)
		for {
			if _, err := far.Write(buf); err != nil {
				return
			}
		}
	}()
	b.SetBytes(bulk)
	buf := make([]byte, bulk)
	for b.Loop() {
		if _, err := io.ReadFull(far2, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// One small message there and back through the relay.
func BenchmarkPingPong(b *testing.B) {
	client, server, near, far := relay(b)
	go server.WriteTo(near)
	go server.ReadFrom(near)
	go io.Copy(far, far)
	frame := putHeader(make([]byte, headroom+128), headroom, 128, bitFin|opBinary, true)
	b.ReportAllocs()
	buf := make([]byte, 4+128)
	for b.Loop() {
		client.conn.Write(frame)
		if _, err := io.ReadFull(client.conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}
