//go:build !linux

package relay

import (
	"net"
	"net/netip"
)

// Only Linux has raw sides.

type socket struct{}

type loopPace struct{}

type openingConn struct{ net.Conn }

func (s *Side) rawWatched() bool             { return false }
func (s *Side) rawProbe() End                { return Open }
func (s *Side) openingConn() net.Conn        { return nil }
func (s *Side) tlsConn() net.Conn            { return nil }
func (s *Side) rawWriteFirst(b []byte) error { return net.ErrClosed }
func (s *Side) rawStopWatch()                {}
func (s *Side) rawLocal() netip.AddrPort     { return netip.AddrPort{} }
