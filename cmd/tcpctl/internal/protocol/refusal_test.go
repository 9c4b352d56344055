package protocol

import (
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// events returns the texts of all events of a kind so far.
func (v *testBridge) events(kind string) (texts []string) {
	page, _ := v.engine.Operator().Events(0)
	for _, e := range page.Events {
		if e.Kind == kind {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// TestRefusalsAreReported: each refusal is an event with what was asked for and what to configure,
// and counts as a rejection by the proxy.
func TestRefusalsAreReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, request string
		status        int
		reason        proxy.Reason
		tells         []string
	}{
		{"origin", opening("127.0.0.1:9999", "/desk", "Origin: https://desk.example.com"), 403, proxy.ReasonOrigin,
			[]string{"https://desk.example.com", "127.0.0.1:9999", "/desk", "origins", "X-Forwarded-Host"}},
		{"host", opening("evil.example:80", "/desk"), 421, proxy.ReasonHost, []string{"evil.example:80", "/desk", `add "evil.example" to hosts`}},
		{"path", opening("localhost", "/other"), 404, proxy.ReasonPath, []string{"/other", `path is "/desk"`}},
		{"method", strings.Replace(opening("localhost", "/desk"), "GET", "PUT", 1), 405, proxy.ReasonMethod, []string{`PUT "/desk"`}},
		{"a page", "GET /desk HTTP/1.1\r\nHost: localhost\r\n\r\n", 426, proxy.ReasonNoUpgrade, []string{"pass on Upgrade", "web"}},
		{"version", strings.Replace(opening("localhost", "/desk"), "Version: 13", "Version: 8", 1), 426, proxy.ReasonVersion, nil},
		{"a proxy's HTTP/1.0", strings.Replace(opening("localhost", "/desk"), "HTTP/1.1", "HTTP/1.0", 1), 400, proxy.ReasonVersion, []string{"HTTP/1.1 (nginx: proxy_http_version 1.1)"}},
		{"subprotocol", opening("localhost", "/desk", "Sec-WebSocket-Protocol: a b"), 400, proxy.ReasonSubprotocol, nil},
		{"encoding", opening("localhost", "/desk?encoding=utf7"), 400, proxy.ReasonEncoding, []string{"utf7", "?encoding=text"}},
		{"no key", strings.Replace(opening("localhost", "/desk"), "Key: d", "Key: ", 1), 400, proxy.ReasonMalformed, nil},
		{"no HTTP", "hello\r\n\r\n", 400, proxy.ReasonMalformed, nil},
		{"long headers", opening("localhost", "/desk", "X: "+strings.Repeat("x", 20_000)), 431, proxy.ReasonMalformed, []string{"max_header is 16"}},
		{"words that would speak to a terminal", opening("localhost", "/desk", "Origin: http://\xc2\x9b31m\xe2\x80\xae"), 403, proxy.ReasonOrigin, []string{`\u009b31m`, `\u202e`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := config.NewWS()
			spec.Path = "/desk"
			v := bridgeOf(t, spec, echo, nil)
			c, resp := v.knock(tt.request)
			if resp.StatusCode != tt.status {
				t.Errorf("answered %s, want %d", resp.Status, tt.status)
			}
			c.Close()
			r := v.record()
			if r.By != proxy.ByProxy || r.Reason != tt.reason || r.Phase != proxy.PhaseQueue || r.Served {
				t.Errorf("record %+v", r)
			}
			told := v.events(proxy.EventRefused)
			if len(told) != 1 || strings.ContainsAny(told[0], "\u009b\u202e") || len(told[0]) > 900 {
				t.Fatalf("told %q", told)
			}
			for _, want := range append(tt.tells, r.Client) {
				if !strings.Contains(told[0], want) {
					t.Errorf("%q does not name %q", told[0], want)
				}
			}
			if i := v.svc.Info(); i.Sessions.Rejected != 1 || i.Sessions.Failed != 0 || i.Sessions.Total != 1 {
				t.Errorf("counted %+v", i.Sessions)
			}
		})
	}
}

// TestRefusalsAreReportedSeldom: a flood of refusals is one event in 10 s for each reason.
func TestRefusalsAreReportedSeldom(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	began := time.Now()
	for range 20 {
		for _, request := range []string{opening("localhost", "/", "Origin: https://a.test"), opening("evil.test", "/")} {
			c, _ := v.knock(request)
			c.Close()
			v.record()
		}
	}
	if told := v.events(proxy.EventRefused); len(told) < 2 || len(told) > 2*(2+int(time.Since(began)/(10*time.Second))) {
		t.Errorf("told %q", told)
	}
}

// TestUnknownSubprotocolIsReported: a client that offers only unknown subprotocols is admitted, with an event.
func TestUnknownSubprotocolIsReported(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	_, resp := v.knock(opening("localhost", "/", "Sec-WebSocket-Protocol: mqtt, mqttv3.1"))
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Protocol") != "" {
		t.Errorf("answered %+v", resp)
	}
	told := v.events(proxy.EventSession)
	if len(told) != 1 || !strings.Contains(told[0], "mqttv3.1") || !strings.Contains(told[0], `subprotocols = ["mqtt"]`) {
		t.Errorf("told %q", told)
	}
	spec := config.NewWS()
	spec.Subprotocols = []string{"*"}
	v = bridgeOf(t, spec, echo, nil)
	_, resp = v.knock(opening("localhost", "/", "Sec-WebSocket-Protocol: mqtt, mqttv3.1"))
	if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "mqtt" {
		t.Errorf("agreed to %q", got)
	}
	if told := v.events(proxy.EventSession); len(told) != 0 {
		t.Errorf("told %q", told)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	local, wild := []string{"127.0.0.1:0"}, []string{"0.0.0.0:0"}
	named := []string{"localhost:0"}
	for _, tt := range []struct {
		listen, hosts, lines []string
		trusted              []netip.Prefix
		host                 string
		passes               bool
	}{
		{local, nil, nil, nil, "127.0.0.1:80", true},
		{local, nil, nil, nil, "[::1]:80", true},
		{local, nil, nil, nil, "192.0.2.1", true},
		{local, nil, nil, nil, "localhost:80", true},
		{local, nil, nil, nil, "LOCALHOST.", true},
		{local, nil, nil, nil, "app.localhost", true},
		{named, nil, nil, nil, "localhost", true},
		{local, nil, nil, nil, "evil.example", false},
		{local, nil, nil, nil, "127.0.0.1.evil.example", false},
		{local, nil, nil, nil, "localhost.evil.example", false},
		{local, nil, nil, nil, "evillocalhost", false},
		{wild, nil, nil, nil, "desk.example.com", true}, // it may have any name
		{local, []string{"desk.example.com"}, nil, nil, "desk.example.com:8443", true},
		{local, []string{"*.example.com"}, nil, nil, "desk.example.com", true},
		{local, []string{"*"}, nil, nil, "evil.example", true},
		{local, []string{"desk.example.com"}, nil, nil, "127.0.0.1", false},
		{wild, []string{"desk.example.com"}, nil, nil, "other.example.com", false},
		{local, []string{"[::1]"}, nil, nil, "[::1]:80", true},
		// A proxy in front passes on the client's Host.
		{local, nil, []string{"X-Forwarded-For: 192.0.2.1"}, loopback, "desk.example.com", true},
		{local, nil, []string{"X-Forwarded-For: 192.0.2.1"}, nil, "desk.example.com", false},
		{local, nil, nil, loopback, "desk.example.com", false}, // a browser on this machine comes from loopback, too
		{local, []string{"desk.example.com"}, []string{"X-Forwarded-Host: desk.example.com"}, loopback, "127.0.0.1", true},
		{local, []string{"desk.example.com"}, []string{"X-Forwarded-Host: desk.example.com"}, nil, "127.0.0.1", false},
		{local, []string{"desk.example.com"}, []string{"Forwarded: host=desk.example.com"}, loopback, "127.0.0.1", true},
		{local, []string{"desk.example.com"}, []string{"X-Forwarded-Host: evil.example"}, loopback, "desk.example.com", false},
	} {
		spec := config.NewWS()
		spec.Hosts = tt.hosts
		v := bridgeOf(t, spec, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.Listen, c.TrustedProxies = tt.listen, tt.trusted })
		v.addr = strings.Replace(v.addr, "[::]", "127.0.0.1", 1)
		v.addr = strings.Replace(v.addr, "0.0.0.0", "127.0.0.1", 1)
		_, resp := v.knock(opening(tt.host, "/", tt.lines...))
		if want := map[bool]int{true: 101, false: 421}[tt.passes]; resp.StatusCode != want {
			t.Errorf("%+v: %s, want %d", tt, resp.Status, want)
		}
	}
}

// TestRebinding: a page whose name was made to resolve to this machine (DNS rebinding) has that name in Host and Origin.
func TestRebinding(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	_, resp := v.knock(opening("evil.example", "/", "Origin: http://evil.example"))
	if resp.StatusCode != 421 {
		t.Error(resp.Status)
	}
}

// TestForwardedOrigin: behind a proxy that sets its own Host, the origin is compared with the
// forwarded host.
func TestForwardedOrigin(t *testing.T) {
	t.Parallel()
	for _, trusted := range [][]netip.Prefix{nil, loopback} {
		for _, line := range []string{"X-Forwarded-Host: desk.example.com", "Forwarded: for=192.0.2.1;host=desk.example.com;proto=https"} {
			v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { c.TrustedProxies = trusted })
			_, resp := v.knock(opening("127.0.0.1", "/", "Origin: https://desk.example.com", line))
			if want := map[bool]int{true: 101, false: 403}[trusted != nil]; resp.StatusCode != want {
				t.Errorf("trusted %v, %s: %s, want %d", trusted, line, resp.Status, want)
			}
		}
	}
}

// TestForwardedAddress: the other headers with the client's address.
func TestForwardedAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lines   []string
		want    string
		trusted []netip.Prefix
	}{
		{[]string{`Forwarded: for="10.2.0.9:4711";host=a`}, "10.2.0.9", loopback},
		{[]string{`Forwarded: for=6.6.6.6, for=10.2.0.9, for=127.0.0.7`}, "10.2.0.9", loopback},
		{[]string{`Forwarded: for="6.6.6.6`, `Forwarded: for=10.2.0.9`}, "10.2.0.9", loopback},
		{[]string{`Forwarded: for=unknown`}, "127.0.0.1", loopback},
		{[]string{"X-Real-IP: 10.2.0.9"}, "10.2.0.9", loopback},
		{[]string{"X-Forwarded-For: 10.2.0.9", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6"}, "10.2.0.9", loopback},
		{[]string{"Forwarded: for=10.2.0.9", "X-Real-IP: 6.6.6.6"}, "10.2.0.9", loopback},
		{[]string{"Forwarded: for=10.2.0.9", "X-Real-IP: 10.2.0.9", "X-Forwarded-For: 10.2.0.9"}, "127.0.0.1", nil},
	} {
		lines := make(chan string, 1)
		v := bridge(t, firstLine(lines), func(c *proxy.ServiceConfig, _ *WebSocket) { c.SendProxy, c.TrustedProxies = 1, tt.trusted })
		_, resp := v.knock(opening("127.0.0.1", "/", tt.lines...))
		if resp.StatusCode != 101 {
			t.Fatal(resp.Status)
		}
		if got := strings.Fields(<-lines); got[2] != tt.want {
			t.Errorf("%q gives %q, want %s", tt.lines, got, tt.want)
		}
	}
}

// TestPlainHTTPOnTLS: the answer says what to do.
func TestPlainHTTPOnTLS(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, func(c *proxy.ServiceConfig, _ *WebSocket) { overTLS(c) })
	_, resp := v.knock("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(body), "this port speaks TLS: use https://") || err != nil {
		t.Errorf("%s %q, %v", resp.Status, body, err)
	}
	if r := v.record(); r.By != proxy.ByProxy || r.Reason != proxy.ReasonTLS || !strings.Contains(r.Detail, "plain HTTP") {
		t.Errorf("record %+v", r)
	}
	c := v.connect() // neither TLS nor HTTP
	io.WriteString(c, "hello there\r\n")
	if b, err := io.ReadAll(c); strings.Contains(string(b), "HTTP") {
		t.Errorf("%q, %v", b, err)
	}
}

// TestCloseCodesAreFew: codes that applications choose are counted in ranges of 1000, so that clients cannot create
// many counters.
func TestCloseCodesAreFew(t *testing.T) {
	t.Parallel()
	v := bridge(t, echo, nil)
	for _, code := range []ws.CloseCode{3000, 3999, 4000, 4001, 4999, 1000} {
		v.dial().CloseWith(code, "")
		v.record()
	}
	want := []proxy.CloseInfo{{Code: 1000, Count: 1}, {Code: 3000, Count: 2}, {Code: 4000, Count: 3}}
	if got := v.svc.Info().Closes; !slices.Equal(got, want) {
		t.Errorf("counted %+v", got)
	}
	if a, b := want[0].Label(), want[2].Label(); a != "1000" || b != "4000-4999" {
		t.Error(a, b)
	}
}
