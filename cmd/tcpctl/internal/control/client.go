package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// readTimeout is how long an instance may take to begin its answer to a question, and to continue it.
const readTimeout = 30 * time.Second

// errTimeout is the deadline of a request that has passed.
type errTimeout string

func (e errTimeout) Error() string { return string(e) }
func (errTimeout) Unwrap() error   { return context.DeadlineExceeded }

// Client is the Source of an instance behind a socket.
type Client struct {
	within time.Duration // readTimeout
	path   string
	peer   string // "": the instance itself
	host   string // "": the instance behind the socket
	http   *http.Client
	many   *http.Client // for requests to peers
}

var _ api.Planner = (*Client)(nil)

// Dial makes a client of the socket at path; it connects when it is used, and
// again whenever it must.
func Dial(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTrusted(ctx, path) }
	one := &http.Transport{DialContext: dial, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second}
	return &Client{within: readTimeout, path: path, http: &http.Client{Transport: one}, many: &http.Client{Transport: newPassing(dial)}}
}

// Over makes a client that asks a host by a function, like an
// http.RoundTripper's.
func Over(ask func(*http.Request) (*http.Response, error), host string) *Client {
	over := &http.Client{Transport: RoundTrip(ask)}
	return &Client{within: readTimeout, path: host, host: host, http: over, many: over}
}

// RoundTrip is an http.RoundTripper of one function.
type RoundTrip func(*http.Request) (*http.Response, error)

func (f RoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Peer is a client of another node, through the instance's mesh.
func (c *Client) Peer(node string) *Client {
	return &Client{within: c.within, path: c.path, peer: node, http: c.many, many: c.many}
}

// Path is the socket's.
func (c *Client) Path() string { return c.path }

// Close lets the connections go.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.many.CloseIdleConnections()
}

func (c *Client) Status(ctx context.Context) (*api.Status, error) {
	s := new(api.Status)
	return s, c.get(ctx, "/v1/status", nil, s)
}

// Config is the configuration that the instance runs.
func (c *Client) Config(ctx context.Context) (f api.ConfigText, err error) {
	err = c.get(ctx, "/v1/config", nil, &f)
	return f, err
}

func (c *Client) Queue(ctx context.Context, service string) (all []proxy.WaiterInfo, err error) {
	err = c.get(ctx, "/v1/services/"+url.PathEscape(service)+"/queue", nil, &all)
	return all, err
}

// NodeLine is what the node knows of the queue of a lock of the cluster.
func (c *Client) NodeLine(ctx context.Context, service string) (*api.NodeLine, error) {
	n := new(api.NodeLine)
	return n, c.get(ctx, "/v1/services/"+url.PathEscape(service)+"/line", nil, n)
}

func (c *Client) Sessions(ctx context.Context, q api.SessionQuery) (all []proxy.SessionInfo, err error) {
	v := url.Values{}
	for key, value := range map[string]string{"service": q.Service, "backend": q.Backend, "client": q.Client} {
		if value != "" {
			v.Set(key, value)
		}
	}
	if q.OlderThan > 0 {
		v.Set("older_seconds", strconv.FormatFloat(q.OlderThan.Seconds(), 'f', -1, 64))
	}
	if q.Ended {
		v.Set("ended", "1")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	err = c.get(ctx, "/v1/sessions", v, &all)
	return all, err
}

func (c *Client) Events(ctx context.Context, since uint64, wait bool) (page proxy.EventPage, err error) {
	v := url.Values{"since": {strconv.FormatUint(since, 10)}}
	if wait {
		v.Set("wait", "1")
	}
	err = c.get(ctx, "/v1/events", v, &page)
	return page, err
}

func (c *Client) Do(ctx context.Context, r api.Request) (res api.Result, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return res, err
	}
	err = c.callFor(ctx, r.By, http.MethodPost, "/v1/acts/"+url.PathEscape(r.Act), nil, bytes.NewReader(body), &res)
	return res, err
}

// get asks a question. A process that is stopped or hangs would never answer.
func (c *Client) get(ctx context.Context, path string, v url.Values, into any) error {
	within := c.within
	if v.Get("wait") != "" {
		within += maxWait
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(within, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	resp, err := c.send(ctx, "", http.MethodGet, path, v, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = c.decode(&renewing{resp.Body, late, within}, into)
	if err != nil && context.Cause(ctx) == context.DeadlineExceeded {
		err = c.explain(http.MethodGet, context.DeadlineExceeded)
	}
	return err
}

// renewing renews a timer whenever something was read: a long answer may come over a slow mesh.
type renewing struct {
	io.Reader
	late   *time.Timer
	within time.Duration
}

func (r *renewing) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.late.Reset(r.within)
	}
	return n, err
}

// call requests a path, which must be escaped.
func (c *Client) call(ctx context.Context, method, path string, v url.Values, body io.Reader, into any) error {
	return c.callFor(ctx, "", method, path, v, body, into)
}

// callFor sends a request in the name of by, which another process of this instance trusts, and
// decodes the JSON answer.
func (c *Client) callFor(ctx context.Context, by, method, path string, v url.Values, body io.Reader, into any) error {
	resp, err := c.send(ctx, by, method, path, v, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.decode(resp.Body, into)
}

func (c *Client) decode(body io.Reader, into any) error {
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", c.path, err)
	}
	return nil
}

// Debug copies to w what GET /v1/debug/WHAT shows of the inside of the process
// behind the socket: process, goroutines, heap, profile.
func (c *Client) Debug(ctx context.Context, what string, v url.Values, w io.Writer) error {
	resp, err := c.send(ctx, "", http.MethodGet, "/v1/debug/"+what, v, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("the answer of %s cannot be read: %w", c.path, err)
	}
	return nil
}

// send sends a request, and returns the answer, whose body the caller must close; a refusal is an
// error.
func (c *Client) send(ctx context.Context, by, method, path string, v url.Values, body io.Reader) (*http.Response, error) {
	if c.peer != "" {
		// Escape dots, too: a node may be called "..".
		path = "/v1/peers/" + strings.ReplaceAll(url.PathEscape(c.peer), ".", "%2E") + path
	}
	host := cmp.Or(c.host, "tcpctl")
	req, err := http.NewRequestWithContext(ctx, method, "http://"+host+path+"?"+v.Encode(), body)
	if err != nil {
		return nil, err
	}
	if by != "" {
		req.Header.Set(PeerHeader, by)
	}
	resp, err := c.http.Do(req)
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		err = cause // get's deadline
	}
	if err != nil {
		return nil, c.explain(method, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	refusal := &api.Error{Status: resp.StatusCode}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if json.Unmarshal(text, refusal) != nil || refusal.Text == "" {
		refusal.Text = fmt.Sprintf("%s answers %s: %s", c.path, resp.Status, strings.TrimSpace(string(text)))
	}
	refusal.Status = resp.StatusCode
	return nil, refusal
}

// explain turns an error of a request without an answer into one that a person can act on.
func (c *Client) explain(method string, err error) error {
	refusal, refused := errors.AsType[*api.Error](err) // from a function passed to Over
	switch {
	case refused:
		return refusal
	case errors.Is(err, context.DeadlineExceeded):
		late, who := "no answer in time on "+c.path, "its process"
		if c.peer != "" { // that instance passes the question on
			late, who = "no answer in time of the node that was asked through "+c.path, "the process there, or this one,"
		}
		if method == http.MethodPost {
			return errTimeout(late + "; it may still do what it was asked for: tcpctl events shows that, unless " + who + " is stopped or hangs")
		}
		return errTimeout(late + ": " + who + " is stopped or hangs")
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		hint := "start one (tcpctl run, tcpctl demo), or give its socket with --socket"
		if others := Others(); len(others) > 0 && c.path == DefaultPath() {
			hint = "there is also --socket " + strings.Join(others, ", --socket ")
		}
		return fmt.Errorf("%w on %s; %s", api.ErrNoInstance, c.path, hint)
	case errors.Is(err, errNotTrusted):
		if inner, ok := errors.AsType[*url.Error](err); ok {
			return inner.Err
		}
		return err
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s cannot be used by this user; run tcpctl as the user that runs the instance, or as root", c.path)
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // the URL in it is not a real one
	}
	return fmt.Errorf("no answer on %s: %w", c.path, err)
}

// Answers says whether an instance answers on the socket.
func Answers(path string) bool {
	c, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
