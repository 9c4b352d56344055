//go:build !linux

package ws

import "syscall"

func readTCPInfo(syscall.RawConn) (p tcpInfo, ok bool) { return p, false }

func hasTCPInfo(syscall.RawConn) bool { return false }
