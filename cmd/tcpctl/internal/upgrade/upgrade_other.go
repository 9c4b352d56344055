//go:build !unix

package upgrade

import (
	"errors"

	"github.com/tcpctl/tcpctl/proxy"
)

// Successor is the process that takes over from this one.
type Successor struct{ PID int }

// Begin fails: here no socket can be given to another process.
func Begin(string, []string, []string, Offer) (*Successor, error) {
	return nil, errors.New("upgrade: not on this system: stop, and start the new one")
}

func (*Successor) Go(map[string]proxy.Rest) error   { return errOdd }
func (*Successor) Tell(map[string]proxy.Rest) error { return errOdd }
func (*Successor) Wait()                            {}
func (*Successor) Close() error                     { return nil }

// Predecessor is the process that this one takes over from.
type Predecessor struct{ Offer Offer }

// Take finds nobody.
func Take() (*Predecessor, error) { return nil, nil }

func (*Predecessor) Ready() (map[string]proxy.Rest, error) { return nil, errOdd }
func (*Predecessor) Fail(error)                            {}
func (*Predecessor) Follow(func(map[string]proxy.Rest))    {}
func (*Predecessor) Close() error                          { return nil }
