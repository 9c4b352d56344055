package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/control"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// allPeers is what --peer takes for every node.
const allPeers = "all"

// source is the instance that a command talks to, or a peer through it.
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

// everywhere says whether an act is for this node and all its peers.
func everywhere(cmd *cobra.Command) bool {
	peer, _ := cmd.Flags().GetString("peer")
	return peer == allPeers
}

// actEverywhere carries out an act on every node, and prints each one's
// answer. It fails when one has refused or could not be reached.
func actEverywhere(cmd *cobra.Command, src *control.Client, r api.Request, asJSON bool) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
	defer cancel()
	answers, err := api.DoEverywhere(ctx, src, func(node string) api.Source { return src.Peer(node) }, r)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), answers)
	} else {
		printAnswers(cmd.OutOrStdout(), answers)
	}
	if err != nil {
		return err
	}
	not := 0
	for _, a := range answers {
		if a.Error != nil {
			not++
		}
	}
	if not > 0 {
		return fmt.Errorf("%d of %d nodes did not do it; nothing is done there later", not, len(answers))
	}
	return nil
}

func printAnswers(w io.Writer, answers []api.PeerAnswer) {
	t := table{{"NODE", "ANSWER"}}
	for _, a := range answers {
		if a.Error != nil {
			t = append(t, []string{a.Node, "refused: " + a.Error.Error()})
			continue
		}
		for _, text := range a.Result.Texts {
			t = append(t, []string{a.Node, text})
		}
	}
	t.print(w)
}
