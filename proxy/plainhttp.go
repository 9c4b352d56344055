package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// wantsTLS is the response to plain HTTP.
const wantsTLS = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 40\r\n\r\n" +
	"this port speaks TLS: use https:// here\n"

// lingerTime is how long a client may take to read a response before its connection is
// closed: closing while it still sends would be a reset, which destroys the response.
const lingerTime = time.Second

// answerHTTP answers a client that speaks plain HTTP where TLS was expected, and
// returns an error that says so; it returns any other err unchanged.
func answerHTTP(err error) error {
	var bad tls.RecordHeaderError
	if !errors.As(err, &bad) || bad.Conn == nil || !beginsHTTP(string(bad.RecordHeader[:])) {
		return err
	}
	bad.Conn.SetDeadline(time.Now().Add(lingerTime))
	io.WriteString(bad.Conn, wantsTLS)
	conn := bad.Conn
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		if under := over.NetConn(); under != nil {
			conn = under
		}
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	io.Copy(io.Discard, bad.Conn)
	return errors.New("it spoke plain HTTP; this port speaks TLS")
}

// beginsHTTP recognizes requests by their first five bytes.
func beginsHTTP(head string) bool {
	methods := []string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH", "CONNE"}
	return slices.ContainsFunc(methods, func(method string) bool { return strings.HasPrefix(head, method) })
}
