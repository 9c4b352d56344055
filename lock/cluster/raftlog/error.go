package raftlog

import (
	"errors"
	"fmt"

	"github.com/tcpctl/tcpctl/lock/cluster"
)

var (
	// ErrNone means that the folder has no log: the node is no voter yet.
	ErrNone = errors.New("raftlog: there is no log")
	// ErrBehind means that the log has less than this voter has promised to keep: it
	// was lost, damaged, or replaced by an older copy. Others may rely on what is
	// missing, so that it must not vote: it has to be removed and to join again.
	ErrBehind = errors.New("raftlog: the log is behind what this voter promised: rejoin me (tcpctl cluster rejoin)")
	// ErrDisk means that a write failed: what the file has now is unknown.
	ErrDisk = errors.New("raftlog: the log cannot be written: this voter has stopped voting until it is restarted")
	// ErrInUse means that another process has the log open.
	ErrInUse = errors.New("raftlog: another process has the log open")
	// ErrMessage means that bytes are not a message of another voter.
	ErrMessage = errors.New("raftlog: message is corrupt")
	// ErrNotReady means that a change of the voters has to wait, or must not be made.
	ErrNotReady = errors.New("raftlog: not now")
	// ErrClosed is returned by a Node that was closed.
	ErrClosed = errors.New("raftlog: the node is closed")
)

// An OtherClusterError means that a message or a log belongs to another cluster.
type OtherClusterError struct{ Ours, Theirs string }

func (e *OtherClusterError) Error() string {
	return fmt.Sprintf("raftlog: cluster %s is not cluster %s: two clusters have one name", e.Theirs, e.Ours)
}

// behind says in what way a log is behind.
func behind(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBehind, fmt.Sprintf(format, args...))
}

// corrupt says what is wrong with a message.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMessage, fmt.Sprintf(format, args...))
}

// newer is the error for data of a newer version.
func newer(what string, v uint64) error {
	return fmt.Errorf("%w (%s of version %d)", cluster.ErrNewer, what, v)
}
