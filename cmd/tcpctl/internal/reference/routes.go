package reference

import (
	"fmt"
	"go/ast"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// route is one path of the control API.
type route struct {
	method, path string
	about        string
	answer       string   // a type, as fields reads it; "": text or bytes, as about says
	body         string   // a type
	query        []string // of parameters
}

var stretch = []string{"since", "until", "service"}

// routes lists the paths that the control package serves; a missing or superfluous line is an
// error. Acts are added from their table.
var routes = []route{
	{"GET", "/v1/status", "Everything at one moment.", "api.Status", "", nil},
	{"GET", "/v1/config", "The configuration that the instance runs.", "api.ConfigText", "", nil},
	{"GET", "/v1/sessions", "Live sessions, oldest first; with `ended`, also recently ended ones.", "[]proxy.SessionInfo", "", []string{"service", "backend", "client", "ended", "older_seconds", "limit"}},
	{"GET", "/v1/services/{service}/queue", "The waiting clients of a service, in order.", "[]proxy.WaiterInfo", "", nil},
	{"GET", "/v1/services/{service}/line", "What this node knows of the queue of a cluster-wide lock.", "api.NodeLine", "", nil},
	{"GET", "/v1/events", "The events after `since`; with `wait`, the answer waits up to 30 s for the first one.", "proxy.EventPage", "", []string{"since_seq", "wait"}},
	{"GET", "/v1/reports", "The plans that are kept, newest first.", "[]proxy.Report", "", nil},
	{"GET", "/v1/reports/newest", "The newest plan.", "proxy.Report", "", nil},
	{"GET", "/v1/reports/{id}", "Progress or outcome of a plan.", "proxy.Report", "", nil},
	{"POST", "/v1/window", "Calls of a window's owner: begin, keep alive, command ended.", "api.WindowAnswer", "api.WindowCall", nil},
	{"GET", "/v1/history", "Where the history is kept, and what it covers.", "api.HistoryInfo", "", nil},
	{"GET", "/v1/history/timeline", "Past events and acts, newest first.", "[]proxy.Event", "", append(stretch, "kind", "by", "limit")},
	{"GET", "/v1/history/moment", "The status as it was at a moment.", "api.Moment", "", []string{"at"}},
	{"GET", "/v1/history/series", "Time series of services and backends.", "[]api.Series", "", append(stretch, "backends", "backend", "points")},
	{"GET", "/v1/history/top", "The clients with the most bytes, sessions or waiting time.", "api.Top", "", append(stretch, "top_by", "group", "limit")},
	{"GET", "/v1/history/incident", "All that is known of a period, for a report.", "api.Incident", "", stretch},
	{"GET", "/v1/debug/process", "The process, its limits and its build.", "process.Info", "", nil},
	{"GET", "/v1/debug/goroutines", "Goroutine stacks as text, counted by stack; with `each` one by one, which stops the process for a moment.", "", "", []string{"each"}},
	{"GET", "/v1/debug/heap", "A heap profile for pprof.", "", "", nil},
	{"GET", "/v1/debug/profile", "A CPU profile for pprof.", "", "", []string{"seconds"}},
}

// parameters describes query parameters. A key with a suffix after an underscore distinguishes two
// meanings of one parameter.
var parameters = map[string]struct{ name, kind, about string }{
	"service":       {"service", "string", "only this service"},
	"backend":       {"backend", "string", "only this backend"},
	"backends":      {"backends", "flag", "1: also those of backends"},
	"client":        {"client", "string", "only clients of this address or network"},
	"ended":         {"ended", "flag", "1: also recently ended sessions"},
	"older_seconds": {"older_seconds", "number", "only sessions at least this old"},
	"limit":         {"limit", "integer", "most elements; 0: all"},
	"since_seq":     {"since", "integer", "for events, the seq of the last one seen; 0: from the first"},
	"wait":          {"wait", "flag", "1: wait for an event"},
	"since":         {"since", "time", "for history, the start time"},
	"until":         {"until", "time", "for history, the end time"},
	"at":            {"at", "time", "the time; required"},
	"kind":          {"kind", "string", "only events whose kind is or begins with this"},
	"by":            {"by", "string", "for the timeline, only acts of this operator"},
	"top_by":        {"by", "string", "for top, the order: bytes, sessions or waiting"},
	"group":         {"group", "string", "what to group by: client, net or service"},
	"points":        {"points", "integer", "most points per series"},
	"each":          {"each", "flag", "1: one by one"},
	"seconds":       {"seconds", "integer", "length in seconds, 1 to 60"},
}

// served returns the routes in the source: the arguments of HandleFunc, and the names of history's
// queries.
func (s *source) served() []string {
	var all []string
	for path, f := range s.files {
		if !strings.HasPrefix(path, "cmd/tcpctl/internal/control/") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "HandleFunc" {
				if text := literal(call.Args[0]); strings.Contains(text, " /") {
					all = append(all, text)
				}
			}
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "serve" {
				all = append(all, "GET /v1/history/"+literal(call.Args[1]))
			}
			return true
		})
	}
	slices.Sort(all)
	return all
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	text, _ := strconv.Unquote(lit.Value)
	return text
}

// allRoutes returns routes, after checking that they are those served, and the acts.
func (s *source) allRoutes() ([]route, error) {
	var named []string
	for _, r := range routes {
		named = append(named, r.method+" "+r.path)
	}
	slices.Sort(named)
	if got := s.served(); !slices.Equal(got, named) {
		return nil, fmt.Errorf("the control package serves\n%s\nand routes in internal/reference says\n%s", strings.Join(got, "\n"), strings.Join(named, "\n"))
	}
	all := slices.Clone(routes)
	for i := range api.Acts {
		a := &api.Acts[i]
		all = append(all, route{http.MethodPost, "/v1/acts/" + a.Name, sentence(a.Short), "api.Result", "act " + a.Name, nil})
	}
	return all, nil
}

// routeList describes the control API for people.
func (s *source) routeList() ([]byte, error) {
	all, err := s.allRoutes()
	if err != nil {
		return nil, err
	}
	m := newMarkdown("Control API", "HTTP and JSON on the control socket, which `[control]` configures. [openapi.json](openapi.json) describes the API for programs, and [JSON](json.md) the fields of each object. "+
		"The operator is the user that the system reports for the connection. `/v1/peers/NODE` has the same routes for another node of the mesh.")
	m.block("sh", `curl --unix-socket /run/tcpctl/tcpctl.sock http://tcpctl/v1/status
curl --unix-socket /run/tcpctl/tcpctl.sock http://tcpctl/v1/acts/drain \
  -d '{"targets": ["db/a"], "limit_seconds": 30}'`)
	m.text("An error has status 400 (bad request), 404 (unknown), 409 (refused), 502 (the other node was not reached), 503 (no majority of the cluster) or 504 (the other node did not answer), and the body `{\"error\": {\"code\", \"message\", \"hint\"}}`.")
	var rows [][]string
	for _, r := range all {
		if strings.HasPrefix(r.body, "act ") {
			continue
		}
		var query []string
		for _, q := range r.query {
			query = append(query, parameters[q].name)
		}
		answer := "bytes"
		if of, list := strings.CutPrefix(r.answer, "[]"); list {
			answer = "list of " + linked(of)
		} else if r.answer != "" {
			answer = linked(r.answer)
		}
		rows = append(rows, []string{code(r.method + " " + r.path), code(strings.Join(query, ", ")), answer, r.about})
	}
	m.table([]string{"Route", "Query", "Answer", "What"}, rows)
	m.heading(2, "Query parameters")
	rows = nil
	for _, p := range parameters {
		rows = append(rows, []string{code(p.name), p.kind, sentence(p.about)})
	}
	slices.SortFunc(rows, slices.Compare)
	m.table([]string{"Name", "Type", "Meaning"}, rows)
	m.heading(2, "Acts")
	m.text("`POST /v1/acts/NAME`, with `targets`, `args` and options in the body, runs the [command](commands.md) of the same name. With `dry_run`, an act only reports what it would do; with `expect`, it is refused if the target has changed since.")
	m.table([]string{"Act", "What it does", "Options in JSON", "Undone by"}, actRows())
	return m.Bytes(), nil
}

func actRows() (rows [][]string) {
	for i := range api.Acts {
		a := &api.Acts[i]
		var options []string
		for _, p := range a.Params {
			if key := p.Key(); key != "" {
				options = append(options, key)
			}
		}
		rows = append(rows, []string{code(a.Use()), sentence(a.Short), code(strings.Join(options, ", ")), code(a.Undo)})
	}
	return rows
}

// linked returns an object's name with a link to its fields.
func linked(name string) string {
	return fmt.Sprintf("[%s](json.md#%s)", last(name), strings.ToLower(last(name)))
}
