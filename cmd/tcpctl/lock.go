package main

import (
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy"
)

func lockCommand() *cobra.Command {
	var l launch
	c := proxy.ServiceConfig{}
	var listen, port, host, ttl, check, before, onTTL string
	cmd := &cobra.Command{
		Use:   "lock -l PORT -p PORT [-h HOST] [-n SLOTS] [-t TTL] [--before CMD] [--on-ttl CMD]",
		Short: "Put a first-come-first-served lock in front of a fragile service",
		Long: `Puts a semaphore in front of one TCP service: so many sessions at a time, the
others wait in a queue, first come first served.`,
		Example: "  tcpctl lock -l 9000 -p 8100 -n 1 -t 20s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if listen == "" || port == "" {
				return usage("lock needs -l PORT and -p PORT; try: tcpctl lock -l 9000 -p 8100")
			}
			c.Listen = []string{addrOf("", listen)}
			c.Backends = []proxy.BackendConfig{{Addr: addrOf(host, port)}}
			if c.Lock.Slots < 1 {
				return usage("-n %d: a lock has at least one slot", c.Lock.Slots)
			}
			var err error
			if c.Lock.TTL, err = parseTTL(ttl); err != nil {
				return err
			}
			if err := parseCheck(check, &c.Check); err != nil {
				return err
			}
			for _, hook := range []struct {
				flag, command string
				run           *[]string
			}{{"before", before, &c.Hooks.BeforeNext.Run}, {"on-ttl", onTTL, &c.Hooks.OnTTL.Run}} {
				if *hook.run, err = argv(hook.command); err != nil {
					return usage("--%s: %v", hook.flag, err)
				}
			}
			return runService(cmd, c, &l)
		},
	}
	f := cmd.Flags()
	f.Bool("help", false, "say what lock does") // before cobra's own, which would want -h
	f.StringVarP(&listen, "listen", "l", "", "listen on `PORT` or ADDR")
	f.StringVarP(&port, "port", "p", "", "the service's `PORT` or ADDR")
	f.StringVarP(&host, "host", "h", "localhost", "the service's `HOST`")
	f.IntVarP(&c.Lock.Slots, "slots", "n", 1, "how many sessions at a time")
	f.StringVarP(&ttl, "ttl", "t", "0", "the longest that a session may hold its slot: a duration, or milliseconds")
	f.StringVar(&before, "before", "", "run `CMD` before the next client is let in")
	f.IntVar(&c.Hooks.BeforeNext.Every, "every", 0, "with --before: every so many clients (default 1)")
	f.StringVar(&onTTL, "on-ttl", "", "run `CMD` when a session has held its slot for the whole TTL")
	f.IntVar(&c.Queue.Max, "queue-max", 0, "how many may wait (default 1000)")
	serviceFlags(cmd, &c, "lock", &check)
	launchFlags(cmd, &l)
	return cmd
}

// addrOf makes an address of a bare port.
func addrOf(host, port string) string {
	if _, err := strconv.Atoi(port); err == nil {
		return net.JoinHostPort(strings.Trim(host, "[]"), port)
	}
	return port
}

// parseTTL reads a duration; a bare number is milliseconds, as TCPLock has it.
func parseTTL(text string) (time.Duration, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond, nil // the engine says what is too long
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, usage("-t %q is neither milliseconds nor a duration like 20s", text)
	}
	return d, nil
}
