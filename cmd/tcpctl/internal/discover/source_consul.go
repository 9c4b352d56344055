package discover

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/tcpctl/tcpctl/proxy"
)

// consulSource has one backend for each passing instance of a service. It uses blocking queries,
// which return when something changes. What the query does not specify comes from the environment,
// as for the consul program: CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_CACERT, …
type consulSource struct {
	query   consulQuery
	timeout time.Duration
	index   uint64 // of the last answer; 0: the next one comes at once
}

// maxConsul is the maximum size of an answer from Consul, in bytes.
const maxConsul = 16 << 20

// client makes a new client for each query, so that a replaced token or certificate is read again,
// and no connection is left behind.
func (c *consulSource) client() (*api.Client, error) {
	conf := api.DefaultNonPooledConfig()
	conf.Address = cmp.Or(c.query.addr, conf.Address)
	conf.TokenFile = cmp.Or(c.query.token, conf.TokenFile)
	client, err := api.NewHttpClient(conf.Transport, conf.TLSConfig)
	if err != nil {
		return nil, err
	}
	client.Transport = limitBodies{client.Transport}
	conf.HttpClient = client
	return api.NewClient(conf)
}

func (c *consulSource) ask(ctx context.Context, patience time.Duration) (a answer, err error) {
	client, err := c.client()
	if err != nil {
		return answer{}, fmt.Errorf("consul: %w", err)
	}
	q := &api.QueryOptions{Datacenter: c.query.dc, WaitTime: max(patience.Round(time.Second), time.Second)}
	if patience >= time.Second {
		q.WaitIndex = c.index
	}
	// Consul adds up to a sixteenth, so that clients do not all return at once.
	ctx, cancel := context.WithTimeout(ctx, q.WaitTime+q.WaitTime/16+c.timeout)
	defer cancel()
	entries, meta, err := client.Health().ServiceMultipleTags(c.query.service, c.query.tags, true, q.WithContext(ctx))
	if err != nil {
		c.index = 0
		if ctx.Err() == context.DeadlineExceeded {
			err = fmt.Errorf("no answer within %s", (q.WaitTime + q.WaitTime/16 + c.timeout).Round(time.Second))
		}
		return answer{}, fmt.Errorf("consul: %w", err)
	}
	// An index that goes back comes from another server's state: start over.
	if meta.LastIndex < c.index {
		meta.LastIndex = 0
	}
	c.index = meta.LastIndex
	for _, e := range entries {
		b, err := consulBackend(e)
		if err != nil {
			c.index = 0
			return answer{}, fmt.Errorf("consul: %w", err)
		}
		a.backends = append(a.backends, b)
	}
	return a, nil
}

func (c *consulSource) close() {}

// consulBackend converts one instance. An ID is unique only on its node, and by default is just the
// service's name.
func consulBackend(e *api.ServiceEntry) (b proxy.BackendConfig, err error) {
	if e == nil || e.Service == nil || e.Node == nil {
		return b, fmt.Errorf("an instance has no node or no service")
	}
	key := e.Node.Node
	if e.Service.ID != e.Service.Service {
		key = e.Service.ID + "@" + e.Node.Node
	}
	host := cmp.Or(e.Service.Address, e.Node.Address)
	if host == "" || e.Service.Port == 0 {
		return b, fmt.Errorf("instance %q has no address or no port", key)
	}
	return proxy.BackendConfig{Name: backendName(key), Addr: net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(e.Service.Port)),
		Weight: max(e.Service.Weights.Passing, 1)}, nil
}

// limitBodies bounds what is read of each answer.
type limitBodies struct{ http.RoundTripper }

func (l limitBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxConsul), resp.Body}
	}
	return resp, err
}
