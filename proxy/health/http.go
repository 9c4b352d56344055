package health

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"strconv"
	"time"
)

// http sends a request over the established connection. It follows no redirect: 301 is
// an answer like any other.
func (c Check) http(ctx context.Context, conn net.Conn, rtt time.Duration) Result {
	defer conn.Close()
	method, path, expect := c.Method, c.Path, c.Expect
	method = cmp.Or(method, http.MethodGet)
	path = cmp.Or(path, "/")
	expect = cmp.Or(expect, http.StatusOK)
	tr := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://check"+path, nil)
	if err != nil {
		return failed(err)
	}
	req.Host = c.host()
	req.Header.Set("User-Agent", "tcpctl-check")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return failed(err)
	}
	resp.Body.Close()
	if resp.StatusCode != expect {
		return Result{Detail: "http " + strconv.Itoa(resp.StatusCode) + ", wants " + strconv.Itoa(expect)}
	}
	return Result{OK: true, Detail: "http " + strconv.Itoa(resp.StatusCode), RTT: rtt}
}
