package config

import (
	"cmp"
	"fmt"
	"strings"
)

// below returns a function that reports on a key below a path.
func (r *report) below(path string) func(key, hint, format string, args ...any) {
	return func(key, hint, format string, args ...any) { r.wrong(path+key, hint, format, args...) }
}

// Check calls wrong for each value that no request could match, with its key below the table, such as
// "hosts[0]", and what to write instead. It is for the file and for the flags of tcpctl ws.
func (w *WS) Check(wrong func(key, hint, format string, args ...any)) {
	if !strings.HasPrefix(w.Path, "/") {
		wrong("path", fmt.Sprintf("write %q", "/"+w.Path), "path %q does not begin with a slash", w.Path)
	}
	for i, host := range w.Hosts {
		if host == "" || strings.ContainsAny(host, "/ \t") || strings.Count(host, ":") == 1 {
			wrong(fmt.Sprintf("hosts[%d]", i), `write a name alone, such as "desk.example.com" or "*.example.com"`, "host %q is not a name", host)
		}
	}
	if w.MaxHeader < 4<<10 {
		wrong("max_header", `write "4KiB" or more`, "max_header = %q: browsers send more than that", w.MaxHeader)
	}
}

// CheckOrigins calls wrong for each origin that no browser sends. Other clients may send it, so in a file it is
// a warning: a service that ran before starts.
func (w *WS) CheckOrigins(wrong func(key, hint, format string, args ...any)) {
	for i, o := range w.Origins {
		if sent := asSent(o); o == "" || !strings.EqualFold(sent, o) {
			wrong(fmt.Sprintf("origins[%d]", i), fmt.Sprintf("write %q", cmp.Or(sent, "https://app.example.com")), "origin %q is not as browsers send it", o)
		}
	}
}

// asSent returns the origin that was meant, as browsers send it: the scheme of the page, the host, and
// a port that is not the scheme's, without a path.
func asSent(origin string) string {
	scheme, host, found := strings.Cut(origin, "://")
	if !found {
		scheme, host = "", origin
	}
	if i := strings.IndexAny(host, "/?# \t"); i >= 0 {
		host = host[:i]
	}
	if !found {
		return host
	}
	switch strings.ToLower(scheme) {
	case "http", "ws":
		scheme, host = "http", strings.TrimSuffix(host, ":80")
	case "https", "wss":
		scheme, host = "https", strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + host
}
