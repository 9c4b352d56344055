//go:build !linux

package relay

import "net/netip"

// A raw side is Linux's.

type socket struct{}

func (s *Side) rawWatched() bool         { return false }
func (s *Side) rawProbe() End            { return Open }
func (s *Side) becomeConn()              {}
func (s *Side) rawLocal() netip.AddrPort { return netip.AddrPort{} }
