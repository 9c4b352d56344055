package health

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Explain returns why a connection failed, in a word or two.
func Explain(err error) string {
	var dns *net.DNSError
	var known interface{ Explain() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &known):
		return known.Explain()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "given up"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route"
	case errors.Is(err, syscall.ENOENT):
		return "no such socket"
	case errors.As(err, &dns):
		return "name not found"
	case errors.Is(err, io.EOF):
		return "closed without an answer"
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		return sys.Err.Error()
	}
	return err.Error()
}
