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
	answer       string   // a type, as fields reads it; "": what about says, as text or bytes
	body         string   // a type
	query        []string // of parameters
}

var stretch = []string{"since", "until", "service"}

// routes has a line for each path that the control package serves; one that is
// not here, and a line for none, is an error. Acts are added from their table.
var routes = []route{
	{"GET", "/v1/status", "Everything at one moment.", "api.Status", "", nil},
	{"GET", "/v1/config", "The configuration that the instance runs.", "api.ConfigText", "", nil},
	{"GET", "/v1/sessions", "Live sessions, the oldest first; with ended, those that have ended last.", "[]proxy.SessionInfo", "", []string{"service", "backend", "client", "ended", "older_seconds", "limit"}},
	{"GET", "/v1/services/{service}/queue", "The clients that wait for a service, in their order.", "[]proxy.WaiterInfo", "", nil},
	{"GET", "/v1/services/{service}/line", "What this node knows of the queue of a lock of the cluster.", "api.NodeLine", "", nil},
	{"GET", "/v1/events", "The events after one; with wait, the answer waits up to 30 s for the first.", "proxy.EventPage", "", []string{"since_seq", "wait"}},
	{"GET", "/v1/reports", "The plans that can be looked at, the newest first.", "[]proxy.Report", "", nil},
	{"GET", "/v1/reports/newest", "The newest plan.", "proxy.Report", "", nil},
	{"GET", "/v1/reports/{id}", "The progress of a plan, or its outcome.", "proxy.Report", "", nil},
	{"POST", "/v1/window", "What the owner of a window says: it begins, it is alive, its command has ended.", "api.WindowAnswer", "api.WindowCall", nil},
	{"GET", "/v1/history", "Where the history is kept, and what it has.", "api.HistoryInfo", "", nil},
	{"GET", "/v1/history/timeline", "Events and acts of the past, the newest first.", "[]proxy.Event", "", append(stretch, "kind", "by", "limit")},
	{"GET", "/v1/history/moment", "The status as it was at a moment.", "api.Moment", "", []string{"at"}},
	{"GET", "/v1/history/series", "Series of numbers over time.", "[]api.Series", "", append(stretch, "backends", "backend", "points")},
	{"GET", "/v1/history/top", "The clients with the most bytes, sessions or waiting time.", "api.Top", "", append(stretch, "top_by", "group", "limit")},
	{"GET", "/v1/history/incident", "All that is known of a stretch of time, for a report.", "api.Incident", "", stretch},
	{"GET", "/v1/debug/process", "What the process is, with its limits and build.", "process.Info", "", nil},
	{"GET", "/v1/debug/goroutines", "The stacks of goroutines as text: counted, or with each one by one, for which the process stops for a moment.", "", "", []string{"each"}},
	{"GET", "/v1/debug/heap", "A heap profile of pprof.", "", "", nil},
	{"GET", "/v1/debug/profile", "A CPU profile of pprof.", "", "", []string{"seconds"}},
}

// parameters are those of queries; a name before an underscore is where two
// routes mean different things by one word.
var parameters = map[string]struct{ name, kind, about string }{
	"service":       {"service", "string", "of this service only"},
	"backend":       {"backend", "string", "of this backend only"},
	"backends":      {"backends", "flag", "1: those of backends, too"},
	"client":        {"client", "string", "from this address or network"},
	"ended":         {"ended", "flag", "1: sessions that have ended"},
	"older_seconds": {"older_seconds", "number", "that are at least so old"},
	"limit":         {"limit", "integer", "the most elements; 0: all"},
	"since_seq":     {"since", "integer", "of events: the seq of the last that was seen; 0: from the first"},
	"wait":          {"wait", "flag", "1: wait for an event"},
	"since":         {"since", "time", "of history: from this time on"},
	"until":         {"until", "time", "of history: up to this time"},
	"at":            {"at", "time", "the moment; required"},
	"kind":          {"kind", "string", "of this kind, or of those that begin with it"},
	"by":            {"by", "string", "of the timeline: of this operator"},
	"top_by":        {"by", "string", "of top: bytes, sessions or waiting"},
	"group":         {"group", "string", "client, net or user"},
	"points":        {"points", "integer", "the most points of a series"},
	"each":          {"each", "flag", "1: one by one"},
	"seconds":       {"seconds", "integer", "how long, from 1 to 60"},
}

// served are the routes in the source: what is given to HandleFunc, and the
// names of history's questions.
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

// allRoutes are those of routes, which have to be those that are served, and
// the acts.
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

// routeList is the control API for a reader.
func (s *source) routeList() ([]byte, error) {
	all, err := s.allRoutes()
	if err != nil {
		return nil, err
	}
	m := newMarkdown("Control API", "HTTP and JSON on the control socket, which `[control]` names. [openapi.json](openapi.json) describes it for programs, and [JSON](json.md) has the fields of each object. "+
		"Who asks is what the system says of the connection. Under `/v1/peers/NODE` stands the same of another node of the mesh.")
	m.block("sh", `curl --unix-socket /run/tcpctl/tcpctl.sock http://tcpctl/v1/status
curl --unix-socket /run/tcpctl/tcpctl.sock http://tcpctl/v1/acts/drain \
  -d '{"targets": ["db/a"], "limit_seconds": 30}'`)
	m.text("An error has a status of 400 (wrong), 404 (unknown), 409 (refused), 502 (another node was not reached) or 504 (it did not answer), and the body `{\"error\": {\"code\", \"message\", \"hint\"}}`.")
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
	m.text("`POST /v1/acts/NAME` with a body of `targets`, `args` and the options; each is one of the [commands](commands.md) of the same name. With `dry_run` it only says what it would do, and with `expect` it is refused when the target has changed since.")
	m.table([]string{"Act", "What it does", "Options in JSON", "Taken back by"}, actRows())
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

// linked is an object with a link to its fields.
func linked(name string) string {
	return fmt.Sprintf("[%s](json.md#%s)", last(name), strings.ToLower(last(name)))
}
