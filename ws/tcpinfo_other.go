//go:build !linux

package ws

func readTCPInfo(controller) (p tcpInfo, ok bool) { return p, false }

func hasTCPInfo(controller) bool { return false }
