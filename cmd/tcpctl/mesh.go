package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/build"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fleet"
	"github.com/tcpctl/tcpctl/mesh"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

func meshCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "mesh", Short: "Join, set up and diagnose the mesh, whose nodes find each other without configuration", GroupID: groupRun, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return usage("mesh needs a subcommand: tcpctl mesh join NAME, mesh key, or mesh doctor")
		},
	}
	cmd.AddCommand(meshJoinCommand(), meshKeyCommand(), meshDoctorCommand())
	return cmd
}

// meshFlags gives a command the flags of a mesh.
func meshFlags(cmd *cobra.Command, m *config.Mesh) {
	f := cmd.Flags()
	f.StringArrayVar(&m.Join, "join", nil, "also dial `ADDR`; repeatable")
	f.StringVar(&m.SecretFile, "secret-file", "", "`FILE` with the secret of the mesh; tcpctl mesh key generates one")
	f.BoolVar(&m.MDNS, "mdns", true, "find nodes by multicast DNS")
	f.StringVar(&m.Node, "node", "", "name of this node (default: the host's name)")
}

func meshJoinCommand() *cobra.Command {
	m := config.Mesh{}
	cmd := &cobra.Command{
		Use: "join NAME", Args: cobra.ExactArgs(1),
		Short: "Join a mesh and chat: send typed lines to all peers, print theirs",
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Name = args[0]
			c, err := fleet.FromFile(&m)
			if err != nil {
				return coded{exitUsage, err}
			}
			return chat(cmd.Context(), c, cmd.InOrStdin(), &printer{w: cmd.OutOrStdout()})
		},
	}
	meshFlags(cmd, &m)
	cmd.Flags().StringVar(&m.Listen, "listen", "0.0.0.0:0", "listen on `ADDR`")
	return cmd
}

// printer lets several goroutines print without mixing their lines.
type printer struct {
	mu sync.Mutex
	w  io.Writer
}

func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, text.Safe(fmt.Sprintf(format, args...)))
}

// chat sends typed lines to every peer and prints theirs.
func chat(ctx context.Context, c fleet.Config, in io.Reader, out *printer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	defer c.TakeKey()()
	mc := c.Mesh
	mc.Version = build.This().Text()
	mc.OnConn = func(conn *mesh.Conn) { printLines(conn, out) }
	mc.OnError = func(err error) { fmt.Fprintln(stderr, "tcpctl: "+err.Error()) }
	node, err := mesh.New(mc)
	if err != nil {
		return coded{exitUsage, err}
	}
	if err := node.Listen(ctx, c.Listen); err != nil {
		return proxy.ListenHint(c.Listen, err)
	}
	fmt.Fprintf(stderr, "tcpctl: in mesh %s as %s, listening on %s; every line that you type goes to every peer\n", mc.Name, mc.Node, node.Addr())
	typed := make(chan string)
	go readLines(ctx, in, typed)
	talk := &talk{ctx: ctx, peers: map[string]*talkPeer{}}
	events := node.Events(ctx)
	for {
		select {
		case ev, ok := <-events:
			if !ok {
				return leave(node, talk)
			}
			if ev.Kind != mesh.EventUpdate {
				fmt.Fprintln(stderr, "tcpctl: "+strings.TrimSpace(fmt.Sprintf("%s is %s %s", ev.Peer.Name, ev.Kind, ev.Peer.Cause)))
			}
		case line, ok := <-typed:
			if !ok {
				typed = nil // end of input: keep listening
				continue
			}
			talk.say(node.Conns(), line)
		case <-ctx.Done():
			return leave(node, talk)
		}
	}
}

func leave(node *mesh.Node, talk *talk) error {
	wait := talk.flush()
	defer wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	node.Shutdown(ctx)
	return nil
}

func printLines(conn *mesh.Conn, out *printer) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		out.line("%s: %s", conn.Peer().Name, lines.Text())
	}
}

// readLines passes on the lines of its input. It ends at the end of its input or with the process:
// a read from a terminal cannot be interrupted.
func readLines(ctx context.Context, in io.Reader, to chan<- string) {
	defer close(to)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		select {
		case to <- lines.Text():
		case <-ctx.Done():
			return
		}
	}
}

func meshKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "key", Short: "Print a new secret for a mesh; store it in a file of mode 0600 on every node", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, args []string) { fmt.Fprintln(cmd.OutOrStdout(), mesh.NewSecret()) },
	}
}

func meshDoctorCommand() *cobra.Command {
	m := config.Mesh{}
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor [NAME]", Args: cobra.MaximumNArgs(1),
		Short: "Diagnose, for each interface, why nodes do not find each other",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m.Name = args[0]
			} else if err := meshOfFile(cmd.Flags(), &m); err != nil {
				return coded{exitUsage, err}
			}
			if m.Name == "" {
				return usage("mesh doctor needs the name of a mesh; usage: tcpctl mesh doctor NAME")
			}
			c, err := fleet.FromFile(&m)
			if err != nil {
				return coded{exitUsage, err}
			}
			d, err := mesh.Doctor(cmd.Context(), c.Mesh)
			if err != nil {
				return coded{exitUsage, err}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				printDiagnosis(cmd.OutOrStdout(), &d)
			}
			if n := len(d.Advice); err == nil && n > 0 {
				err = reported{errors.New(text.Plural(n, "finding"))}
			}
			return err
		},
	}
	meshFlags(cmd, &m)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// meshOfFile gives m the mesh of the configuration file, if there is one with a mesh, where no flag says otherwise.
func meshOfFile(flags *pflag.FlagSet, m *config.Mesh) error {
	path, err := config.Find()
	if err != nil {
		return nil // there is no file
	}
	file, err := config.Load(path)
	if err != nil || file.Mesh == nil {
		return err
	}
	given := *m
	*m = *file.Mesh
	if flags.Changed("join") {
		m.Join = given.Join
	}
	if flags.Changed("secret-file") {
		m.SecretFile = given.SecretFile
	}
	if flags.Changed("mdns") {
		m.MDNS = given.MDNS
	}
	if flags.Changed("node") {
		m.Node = given.Node
	}
	return nil
}

func printDiagnosis(w io.Writer, d *mesh.Diagnosis) {
	yes := map[bool]string{true: "yes", false: "no"}
	if d.Problem != "" {
		fmt.Fprintln(w, "multicast DNS: "+d.Problem)
	}
	if len(d.Interfaces) > 0 {
		t := table{{"INTERFACE", "SENT", "RECEIVED", "ANSWERED BY", ""}}
		for _, i := range d.Interfaces {
			t = append(t, []string{i.Name, yes[i.Sent], yes[i.Received], fmt.Sprint(i.Answers), i.Problem})
		}
		t.print(w)
		fmt.Fprintln(w)
	}
	t := table{{"NODE", "MESH", "ADDRESS", "FOUND BY", "REACHED", "SECRET", "RTT", "CLOCK", ""}}
	for _, n := range d.Nodes {
		rtt, clock := "-", "-"
		if n.Reached {
			rtt = fmt.Sprintf("%.1fms", n.RTTSeconds*1000)
		}
		if n.ID != "" && n.Reached {
			clock = fmt.Sprintf("%+.1fs", n.SkewSeconds)
		}
		t = append(t, []string{n.Name, n.Mesh, n.Addr, n.FoundBy, yes[n.Reached], yes[n.Secret], rtt, clock, n.Problem})
	}
	if len(d.Nodes) == 0 {
		fmt.Fprintln(w, "no node answered")
	} else {
		t.print(w)
	}
	for _, a := range d.Advice {
		fmt.Fprintln(w, "try: "+a)
	}
}
