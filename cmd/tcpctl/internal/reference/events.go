package reference

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/metrics"
	"github.com/tcpctl/tcpctl/proxy"
)

// constant is a constant of the source, with its comment.
type constant struct{ value, doc string }

// constants returns the constants of a file that are made by a call of maker, have a type of that
// name, or copy a constant of another package.
func (s *source) constants(path, maker string) (all []constant, err error) {
	f := s.files[path]
	if f == nil {
		return nil, fmt.Errorf("there is no file %s", path)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST && g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			if len(v.Values) != 1 {
				continue
			}
			value := v.Values[0]
			if call, ok := value.(*ast.CallExpr); ok && len(call.Args) == 1 && s.name("", call.Fun) == maker {
				value = call.Args[0]
			} else if from, ok := value.(*ast.SelectorExpr); ok && v.Type == nil && strings.HasSuffix(s.words[s.name("", from)].typ, "."+maker) {
				all = append(all, constant{s.words[s.name("", from)].value, paragraph(v.Doc, v.Comment)})
				continue
			} else if v.Type == nil || s.name("", v.Type) != maker {
				continue
			}
			if lit, ok := value.(*ast.BasicLit); ok {
				text, _ := strconv.Unquote(lit.Value)
				all = append(all, constant{text, paragraph(v.Doc, v.Comment)})
			}
		}
	}
	return all, nil
}

// events lists the kinds of events, and the reasons in events and records.
func (s *source) events() ([]byte, error) {
	m := newMarkdown("Events", "An event is one sentence about something that happened, with a kind. `tcpctl events` prints events, and with `--follow` new ones as they come; `[notify]` runs a command for the kinds that `on` lists; `tcpctl history` finds past events. "+
		"As JSON, an event has these fields.")
	rows, err := s.rows("proxy.Event")
	if err != nil {
		return nil, err
	}
	m.table([]string{"Field", "Type", "Meaning"}, rows)
	kinds, err := s.constants("proxy/event.go", "eventKind")
	if err != nil {
		return nil, err
	}
	m.heading(2, "Kinds")
	rows = nil
	for _, k := range kinds {
		rows = append(rows, []string{code(k.value), sentence(k.doc)})
	}
	for _, kind := range proxy.EventKinds {
		if !slices.ContainsFunc(kinds, func(k constant) bool { return k.value == kind }) {
			return nil, fmt.Errorf("the kind %s is not among the constants of proxy/event.go", kind)
		}
	}
	m.table([]string{"Kind", "When"}, rows)
	m.heading(2, "Levels")
	m.table([]string{"Level", "Meaning"}, [][]string{{code(proxy.LevelInfo), "It happened."}, {code(proxy.LevelGood), "A problem is over, or work is done."},
		{code(proxy.LevelWarn), "Look at it when there is time."}, {code(proxy.LevelAlarm), "Look at it now."}})
	m.heading(2, "Reasons")
	m.text("One fixed word for why a client waits, a session ended or a check failed, in `queue`, `sessions`, the access log and metrics.")
	reasons, err := s.constants("proxy/reason.go", "Reason")
	rows = nil
	for _, r := range reasons {
		rows = append(rows, []string{code(r.value), sentence(r.doc)})
	}
	for name, w := range s.words {
		reason := w.typ == "lock.Reason" || w.typ == "Reason" && (strings.HasPrefix(name, "proxy.") || strings.HasPrefix(name, "lock."))
		if reason && !slices.ContainsFunc(reasons, func(r constant) bool { return r.value == w.value }) {
			return nil, fmt.Errorf("the reason %s, %q, is not among the constants of proxy/reason.go", name, w.value)
		}
	}
	m.table([]string{"Reason", "Meaning"}, rows)
	return m.Bytes(), err
}

func metricsList() []byte {
	all := metrics.Families()
	m := newMarkdown("Metrics", fmt.Sprintf("`GET /metrics` on the `listen` address of `[metrics]` serves %d metrics to Prometheus, besides those of the Go runtime and the process. "+
		"`/healthz` answers 200 while the process works, `/readyz` while it serves clients. A metric that does not apply is absent, not 0.", len(all)))
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{code(d.Name), d.Type, code(strings.Join(d.Labels, ", ")), d.Help})
	}
	m.table([]string{"Metric", "Type", "Labels", "Meaning"}, rows)
	m.heading(2, "Labels")
	m.text("No label has the address or name of a client. The number of values of each label:")
	rows = nil
	for _, l := range slices.Sorted(maps.Keys(metrics.Labels)) {
		rows = append(rows, []string{code(l), metrics.Labels[l]})
	}
	m.table([]string{"Label", "Values"}, rows)
	return m.Bytes()
}

func (s *source) accessLog() ([]byte, error) {
	m := newMarkdown("Access log", "`access` in `[log]` names a file of JSON objects, one per line. Each session gets one at its end, and one every `access_flush` while it is live, so that the bytes of a long session show before it ends. "+
		"After a rotation, signal USR1 reopens the file.")
	for _, part := range []struct{ name, title, about string }{
		{"access.ended", "A session that has ended", "`ended_by` and `reason` say how it ended; see [events](events.md) for the reasons."},
		{"access.ongoing", "A session that goes on", "It has `\"ongoing\": true`, and its numbers are those so far."},
	} {
		m.heading(2, part.title)
		m.text(part.about)
		rows, err := s.rows(part.name)
		if err != nil {
			return nil, err
		}
		m.table([]string{"Field", "Type", "Meaning"}, rows)
	}
	return m.Bytes(), nil
}
