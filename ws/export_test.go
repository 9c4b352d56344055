package ws

// AcceptKey is for tests that play a server.
var AcceptKey = acceptKey
