package main

import (
	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
)

// source returns a client of the instance that a command asks, or of a peer through it.
func source(cmd *cobra.Command) *control.Client {
	path, _ := cmd.Flags().GetString("socket")
	if path == "" {
		path = control.DefaultPath()
	}
	c := control.Dial(path)
	if peer, _ := cmd.Flags().GetString("peer"); peer != "" && peer != allPeers {
		return c.Peer(peer)
	}
	return c
}
