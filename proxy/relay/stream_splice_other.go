//go:build !linux

package relay

// Only Linux moves bytes from socket to socket in the kernel.

type pipes struct{}

func (*pipes) close() {}

func (r *Stream) splice(src, dst *Side) error { return nil }
