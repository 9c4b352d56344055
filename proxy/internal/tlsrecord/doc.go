// Package tlsrecord is the record layer of TLS 1.3 for application data (RFC
// 8446, section 5) without a connection: bytes go in and bytes come out, nothing
// waits, and an idle session keeps its keys and no buffer. [crypto/tls] does the
// whole handshake before it, over a connection that gives it no byte after the
// handshake; then its Conn is dropped.
//
// What it takes over from crypto/tls are the two traffic secrets, by way of
// Config.KeyLogWriter, and how many records were sent under ours, which it learns
// by authenticating them: a sequence number used twice would reveal plaintext.
package tlsrecord
