//go:build !linux

package upgrade

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// Successor is the process that takes over from this one.
type Successor struct{ PID int }

var errNotHere = errors.New("upgrade: this system cannot hand over sockets; stop tcpctl, and start the new one")

// Begin fails: here no socket can be given to another process.
func Begin(string, []string, []string, Offer, Duties) (*Successor, error) { return nil, errNotHere }

func (*Successor) Settle() error { return errNotHere }

// Predecessor is the process that this one takes over from.
type Predecessor struct{ Offer Offer }

// Take finds no predecessor.
func Take() (*Predecessor, error) { return nil, nil }

func (*Predecessor) Ready(<-chan os.Signal) (State, error) { return State{}, errNotHere }
func (*Predecessor) Accepting(func() proxy.Remaining) bool { return true }
func (*Predecessor) Count(func() proxy.Remaining)          {}
func (*Predecessor) Settle(context.Context)                {}
func (*Predecessor) Released() <-chan struct{}             { return nil }
func (*Predecessor) Fail(error)                            {}
func (*Predecessor) Close() error                          { return nil }

// Followers are the later processes of this instance: here there are none.
type Followers struct{}

// ServeFollowers fails.
func ServeFollowers(http.Handler, func(bool) proxy.Remaining) (*Followers, error) {
	return nil, errNotHere
}

func (*Followers) Addr() string { return "" }
func (*Followers) Close()       {}

// Follow finds no process.
func Follow(context.Context, string, func(proxy.Remaining), func(error)) {}

// OpenStream finds no process.
func OpenStream(context.Context, string, string) (net.Conn, error) { return nil, errNotHere }

// TakeStream fails.
func TakeStream(http.ResponseWriter) (net.Conn, error) { return nil, errNotHere }

// Ask finds no process.
func Ask(context.Context, string, time.Duration) (proxy.Remaining, error) {
	return proxy.Remaining{}, errNotHere
}
