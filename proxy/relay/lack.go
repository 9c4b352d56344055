package relay

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// Lack is a resource that this process, or its system, has run out of. An error
// with a lack says nothing about the peer: it counts as no failed check and no
// failed backend, wherever it occurs (accept, dial, lookup, check, start of a
// program). "" is none.
type Lack string

// Resources that can be lacking.
const (
	LackPorts       Lack = "local ports"
	LackSource      Lack = "source address" // this machine does not have the address to connect from
	LackDescriptors Lack = "descriptors"
	LackMemory      Lack = "memory for sockets"
	LackProcesses   Lack = "processes"
	LackFiles       Lack = "certificate files" // for TLS with a backend
)

// Try returns a hint for the operator.
func (l Lack) Try() string {
	switch l {
	case LackPorts:
		return `widen net.ipv4.ip_local_port_range, or give the service more addresses to connect from: source = ["ADDR", …]; an IPv6 backend needs an IPv6 address here`
	case LackSource:
		return "give this machine the address (ip addr), or take it out of source"
	case LackDescriptors:
		return "raise the descriptor limit (ulimit -n, LimitNOFILE=; of the whole system fs.file-max)"
	case LackMemory:
		return "check free memory, net.ipv4.tcp_mem and fs.epoll.max_user_watches"
	case LackProcesses:
		return "raise the limit of processes (ulimit -u, TasksMax=)"
	case LackFiles:
		return "have this user read them again: tcpctl check says which they are"
	}
	return ""
}

// LackOf returns the lack of this process that an error is due to; "": the error
// is the peer's. No other code decides this.
func LackOf(err error) Lack {
	var known interface{ Lack() Lack }
	var e syscall.Errno
	switch {
	case errors.As(err, &known):
		return known.Lack()
	case !errors.As(err, &e):
		return ""
	}
	var path *fs.PathError // for example from starting a program
	switch lack := lacks[e]; {
	case e == syscall.EAGAIN && overUnix(err):
		return "" // the listener's backlog is full
	case lack == LackPorts && errors.As(err, &path):
		return LackProcesses
	case lack == LackPorts && failedIn(err, "bind") && e == errNoAddr:
		return LackSource
	default:
		return lack
	}
}

func failedIn(err error, call string) bool {
	var sys *os.SyscallError
	return errors.As(err, &sys) && sys.Syscall == call
}

func overUnix(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && strings.HasPrefix(op.Net, "unix")
}

// preferError returns the failure that says more about the peer: for a name with
// several addresses, a refusal counts before a lack of local ports.
func preferError(first, then error) error {
	if first == nil || LackOf(first) != "" && LackOf(then) == "" {
		return then
	}
	return first
}
