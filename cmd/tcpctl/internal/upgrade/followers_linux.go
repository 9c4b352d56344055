package upgrade

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"reflect"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tcpctl/tcpctl/proxy"
)

const (
	pollEvery   = 20 * time.Millisecond // bounds the delay before a slot freed there is granted here
	countEvery  = 12                    // in polls: counters are less urgent
	lifeEvery   = time.Second           // between lines if nothing changes, as a sign of life
	quietWithin = 10 * time.Second      // without a line for so long, the process is unresponsive
	remaining   = "/v1/remaining"

	remainingNow = remaining + "/now"
)

// Followers are the later processes of this instance, as one sees them that
// still serves clients.
type Followers struct {
	addr   string
	http   *http.Server
	served chan struct{}
	cancel context.CancelFunc
}

// ServeFollowers streams the result of poll to each of them, and answers their
// other requests with handler. Only processes of the same user, or root's, are
// answered.
func ServeFollowers(handler http.Handler, poll func(counters bool) proxy.Remaining) (*Followers, error) {
	// In the abstract namespace, a killed process leaves no file behind.
	addr := fmt.Sprintf("@tcpctl-%d-%s", os.Getpid(), rand.Text())
	ln, err := net.Listen("unix", addr)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	f := &Followers{addr: addr, served: make(chan struct{})}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET "+remaining, func(w http.ResponseWriter, r *http.Request) { stream(w, r, poll) })
	mux.HandleFunc("GET "+remainingNow, func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(poll(true)) })
	f.http = &http.Server{Handler: mux, ReadHeaderTimeout: acceptWithin, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		defer close(f.served)
		f.http.Serve(ours{ln}) // until Close
	}()
	return f, nil
}

// Addr is where Follow finds it.
func (f *Followers) Addr() string { return f.addr }

// Close ends it: the followers see that this process has ended.
func (f *Followers) Close() {
	f.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if f.http.Shutdown(ctx) != nil {
		f.http.Close()
	}
	<-f.served
}

// ours is a listener that accepts only processes of this user and root.
type ours struct{ net.Listener }

func (l ours) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || isOurs(c) {
			return c, err
		}
		c.Close()
	}
}

func isOurs(c net.Conn) bool {
	rc, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	rc.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && cred != nil && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
}

// stream writes a line at each change, until either side ends. Counters are sent less often than
// sessions.
func stream(w http.ResponseWriter, r *http.Request, poll func(counters bool) proxy.Remaining) {
	out := http.NewResponseController(w)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last proxy.Remaining
	var sent time.Time
	for n := 0; ; n++ {
		now := poll(n%countEvery == 0)
		changed := n == 0 || time.Since(sent) >= lifeEvery || !reflect.DeepEqual(now.Services, last.Services)
		if now.Counters != nil {
			if changed = changed || !reflect.DeepEqual(now.Counters, last.Counters); changed {
				last.Counters = now.Counters
			}
		}
		if changed {
			last.Services, sent = now.Services, time.Now()
			out.SetWriteDeadline(sent.Add(quietWithin))
			if json.NewEncoder(w).Encode(now) != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// Follow calls f with what the process at addr still has, whenever that changes,
// until that has ended, or ctx. It calls trouble for an unresponsive one; what
// it had last is what it has.
func Follow(ctx context.Context, addr string, f func(proxy.Remaining), trouble func(error)) {
	for ctx.Err() == nil {
		err := followOnce(ctx, addr, f)
		if errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
			return
		}
		if err != nil {
			trouble(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// Ask asks once what the process at addr has at this moment.
func Ask(ctx context.Context, addr string, within time.Duration) (now proxy.Remaining, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err = get(ctx, addr, remainingNow, within, func(in *json.Decoder) error { return in.Decode(&now) })
	return now, err
}

// errQuiet means that the process lives but does not answer.
var errQuiet = errors.New("upgrade: it does not answer")

// followOnce follows over one connection until it ends, which is no error.
func followOnce(ctx context.Context, addr string, f func(proxy.Remaining)) error {
	err := get(ctx, addr, remaining, quietWithin, func(in *json.Decoder) error {
		var now proxy.Remaining
		if err := in.Decode(&now); err != nil {
			return err
		}
		f(now)
		return errMore
	})
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errQuiet
	}
	return nil
}

var errMore = errors.New("upgrade: there is more to read")

// get reads an answer for as long as read returns errMore, each part within a time limit.
func get(ctx context.Context, addr, path string, within time.Duration, read func(*json.Decoder) error) error {
	c, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "unix", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	c.SetDeadline(time.Now().Add(within))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: tcpctl\r\nConnection: close\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := json.NewDecoder(resp.Body)
	for err = read(in); err == errMore; err = read(in) {
		c.SetDeadline(time.Now().Add(within))
	}
	return err
}
