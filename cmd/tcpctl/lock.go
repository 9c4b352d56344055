package main

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// lockFlags holds the flags of lock that proxy does not have.
type lockFlags struct {
	listen, port, host, ttl, check, before, onTTL string
}

func lockCommand() *cobra.Command {
	var l launch
	c := proxy.ServiceConfig{}
	var lf lockFlags
	cmd := &cobra.Command{
		Use:   "lock -l PORT -p PORT [-h HOST] [-n SLOTS] [-t TTL] [--before CMD] [--on-ttl CMD]",
		Short: "Put a first-come-first-served lock in front of a fragile service",
		Long: `Puts a semaphore in front of one TCP service: it admits at most --slots sessions
at a time; other clients wait in a queue, first come, first served.`,
		Example: "  tcpctl lock -l 9000 -p 8100 -n 1 -t 20s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := lf.build(&c); err != nil {
				return err
			}
			return runService(cmd, c, &l)
		},
	}
	f := cmd.Flags()
	f.Bool("help", false, "help for lock") // cobra's own would use -h
	f.StringVarP(&lf.listen, "listen", "l", "", "listen on `PORT` or ADDR")
	f.StringVarP(&lf.port, "port", "p", "", "`PORT` or ADDR of the service")
	f.StringVarP(&lf.host, "host", "h", "localhost", "`HOST` of the service")
	f.IntVarP(&c.Lock.Slots, "slots", "n", 1, "most sessions at a time")
	f.StringVarP(&lf.ttl, "ttl", "t", "0", "how long a session may hold its slot, a duration or milliseconds; 0: no limit")
	f.StringVar(&lf.before, "before", "", "run `CMD` before the next client is admitted")
	f.IntVar(&c.Hooks.BeforeNext.Every, "every", 0, "with --before: run CMD before every Nth client (default 1)")
	f.StringVar(&lf.onTTL, "on-ttl", "", "run `CMD` after a session reached its TTL")
	f.IntVar(&c.Queue.Max, "queue-max", 0, "most clients that may wait (default 1000)")
	serviceFlags(cmd, &c, "lock", &lf.check)
	launchFlags(cmd, &l)
	return cmd
}

// build completes the service from the flags.
func (lf *lockFlags) build(c *proxy.ServiceConfig) (err error) {
	if lf.listen == "" || lf.port == "" {
		return usage("lock needs -l PORT and -p PORT; try: tcpctl lock -l 9000 -p 8100")
	}
	c.Listen = []string{addrOf("", lf.listen)}
	c.Backends = []proxy.BackendConfig{{Addr: addrOf(lf.host, lf.port)}}
	if c.Lock.Slots < 1 {
		return usage("-n %d: a lock has at least one slot; try -n 1", c.Lock.Slots)
	}
	if c.Lock.TTL, err = parseTTL(lf.ttl); err != nil {
		return err
	}
	if err := parseCheck(lf.check, &c.Check); err != nil {
		return err
	}
	if c.Hooks.BeforeNext.Run, err = text.Words(lf.before); err != nil {
		return usage("--before: %v", err)
	}
	if c.Hooks.OnTTL.Run, err = text.Words(lf.onTTL); err != nil {
		return usage("--on-ttl: %v", err)
	}
	return nil
}

// addrOf adds host to a bare port.
func addrOf(host, port string) string {
	if _, err := strconv.Atoi(port); err == nil {
		return net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return port
}

// parseTTL parses a duration. A bare number is milliseconds, as in TCPLock.
func parseTTL(s string) (time.Duration, error) {
	unit := ""
	if text.IsNumber(s) {
		unit = "ms"
	}
	d, err := durationOf(s + unit)
	if err != nil {
		return 0, usage("-t %q %v; write a duration like 20s, or milliseconds", s, err)
	}
	return d, nil
}
