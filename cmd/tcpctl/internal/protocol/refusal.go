package protocol

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/ws"
)

// reasons are the engine's reasons for refused handshakes.
var reasons = map[ws.Refusal]proxy.Reason{
	ws.RefusedHost: proxy.ReasonHost, ws.RefusedPath: proxy.ReasonPath, ws.RefusedOrigin: proxy.ReasonOrigin,
	ws.RefusedMethod: proxy.ReasonMethod, ws.RefusedUpgrade: proxy.ReasonNoUpgrade, ws.RefusedVersion: proxy.ReasonVersion,
	refusedAddress: proxy.ReasonDenied, ws.RefusedAuth: proxy.ReasonAuth, ws.RefusedSubprotocol: proxy.ReasonSubprotocol, ws.RefusedEncoding: proxy.ReasonEncoding, ws.RefusedMalformed: proxy.ReasonMalformed,
}

// refusal converts a refused handshake for the engine, with what the client asked for and what to
// configure to allow it. spec is the service's; nil: several services share the address.
func refusal(bad *ws.RefusedError, spec *config.WS) *proxy.Refusal {
	r := &proxy.Refusal{Reason: reasons[bad.Kind], Detail: fmt.Sprintf("answered %d", bad.Status)}
	switch bad.Kind {
	case ws.RefusedHost, ws.RefusedOrigin, ws.RefusedPath: // the error names it
	default:
		r.Detail += ", " + bad.Reason
	}
	if bad.Request != nil {
		r.Detail += describe(bad.Request)
	}
	switch bad.Kind {
	case ws.RefusedHost:
		r.Hint = fmt.Sprintf("add %s to hosts if that is a name of this service", quote(bareHost(bad.Request)))
	case ws.RefusedOrigin:
		r.Hint = fmt.Sprintf("add %s to origins if its pages may connect; behind a proxy that changes Host, add the proxy to trusted_proxies and let it send X-Forwarded-Host",
			quote(bad.Request.Header.Get("Origin")))
	case ws.RefusedPath:
		if spec != nil {
			r.Hint = fmt.Sprintf("path is %q", spec.Path)
		}
	case ws.RefusedAuth:
		if spec != nil && strings.HasPrefix(spec.Auth, authBasic) {
			r.Hint = "it must send a name and a password of auth's file: Authorization: Basic"
		} else {
			r.Hint = "it must send a token of auth's file: Authorization: Bearer, or ?token="
		}
	case ws.RefusedUpgrade:
		r.Hint = "a proxy before this one must pass on Upgrade and Connection; to serve pages, set web"
	case ws.RefusedVersion:
		if !bad.Request.ProtoAtLeast(1, 1) {
			r.Hint = "a proxy before this one must use HTTP/1.1 (nginx: proxy_http_version 1.1)"
		}
	case ws.RefusedEncoding:
		r.Hint = "ask with ?encoding=text or ?encoding=binary"
	case ws.RefusedMalformed:
		if bad.Status == http.StatusRequestHeaderFieldsTooLarge && spec != nil {
			r.Hint = fmt.Sprintf("max_header is %s", spec.MaxHeader)
		}
	}
	return r
}

// describe returns what a request asks for.
func describe(r *http.Request) string {
	text := fmt.Sprintf(": %s %s for host %s", r.Method, quote(r.URL.Path), quote(r.Host))
	if all := r.Header.Values("Origin"); len(all) > 0 {
		text += ", origin " + quote(strings.Join(all, ", "))
	}
	if host := r.Header.Get("X-Forwarded-Host"); host != "" {
		text += ", X-Forwarded-Host " + quote(host)
	}
	return text
}

func bareHost(r *http.Request) string {
	host, _, found := strings.Cut(r.Host, ":")
	if found && strings.HasPrefix(r.Host, "[") {
		return r.Host
	}
	return host
}

// quoteMost bounds what is quoted from a client, in bytes.
const quoteMost = 120

// quote escapes and shortens what a client sent.
func quote(s string) string {
	if len(s) > quoteMost {
		s = s[:quoteMost] + "..."
	}
	return strconv.QuoteToASCII(s)
}
