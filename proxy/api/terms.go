package api

import (
	"fmt"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// Defaults returns the default options of the act on a target. Zero fields have
// no default, or an unknown one.
func (a *Act) Defaults(s *Status, target string) Options { return defaultsOf(a.Name, s, target) }

func defaultsOf(act string, s *Status, target string) (o Options) {
	name, _ := SplitTarget(target)
	quiet := time.Duration(0)
	if svc := s.Service(name); svc != nil && svc.PauseDefaults != nil {
		quiet = seconds(svc.PauseDefaults.QuietSeconds)
	}
	switch act {
	case "drain", "remove":
		o.Then, o.Quiet = proxy.ThenKeep, quiet
	case "maint":
		o.Quiet = quiet
	case "stop":
		o.Grace = seconds(s.Node.GraceSeconds)
	case "pause", "window", "restart", "roll", "resume":
		if svc := s.Service(name); svc != nil && svc.PauseDefaults != nil {
			d := svc.PauseDefaults
			o = Options{Limit: seconds(d.LimitSeconds), Then: d.Then, Quiet: quiet, Max: seconds(d.MaxSeconds), Rate: d.Rate}
		}
	}
	return o
}

// terms are the options in force for one request on one target, given or default.
type terms struct {
	act   string
	given *Options
	holds Options
	onMax string // what happens to waiters when a pause ends by itself; "": not known
}

func termsOf(act string, s *Status, target string, r *Request) terms {
	t := terms{act: act, given: &r.Options, holds: r.Options}
	def := defaultsOf(act, s, target)
	for _, p := range params {
		if value := p.Text(&def); value != "" && p.Text(&t.holds) == "" {
			p.Set(&t.holds, value) // no error: Text has written it
		}
	}
	name, _ := SplitTarget(target)
	if svc := s.Service(name); svc != nil && svc.PauseDefaults != nil {
		t.onMax = svc.PauseDefaults.OnMax
	}
	return t
}

// mark says that an option is a default.
func (t *terms) mark(p Param) string {
	if p.Text(t.given) == "" {
		return " (default)"
	}
	return ""
}

// limitLine says how long live sessions may take, and what happens then; "" if unknown.
func (t *terms) limitLine() string {
	switch {
	case t.holds.Limit == 0 && (t.act == "drain" || t.act == "remove"):
		return "no limit: the " + t.act + " lasts until they end"
	case t.holds.Limit == 0 && t.holds.Max > 0:
		return "no limit for live sessions but the end of the pause"
	case t.holds.Limit == 0:
		return ""
	}
	then := map[string]string{
		proxy.ThenAbort: "the " + t.act + " is given up",
		proxy.ThenCut:   "live sessions are cut",
		proxy.ThenKeep:  "the " + t.act + " goes on without waiting for them",
	}[t.holds.Then]
	limit, choice := t.mark(paramLimit), t.mark(paramThen)
	if choice == limit {
		choice = ""
	}
	return fmt.Sprintf("limit %s%s, then %s%s", text.Duration(t.holds.Limit), limit, then, choice)
}

// quietLine says which live sessions end before that; "": none.
func (t *terms) quietLine() string {
	if t.holds.Quiet == 0 {
		return ""
	}
	return fmt.Sprintf("one that has carried nothing for %s%s is ended by FIN", text.Duration(t.holds.Quiet), t.mark(paramQuiet))
}

// maxLine says how long clients are held at most, and what happens then.
func (t *terms) maxLine() string {
	if t.holds.Max == 0 {
		return ""
	}
	then := "admitted"
	if t.onMax == "reject" {
		then = "rejected"
	}
	return fmt.Sprintf("clients are held for %s at most%s, then they are %s", text.Duration(t.holds.Max), t.mark(paramMax), then)
}

// rateLine says how fast waiters are admitted.
func (t *terms) rateLine() string {
	if t.holds.Rate == 0 {
		return "all at once" + t.mark(paramRate)
	}
	return fmt.Sprintf("%g a second%s", t.holds.Rate, t.mark(paramRate))
}

// limitedBy adds what happens to live sessions at the limit. It warns of a requested
// cut; one that the configuration prescribes needs no force, but the same confirmation.
func (i *Impact) limitedBy(t *terms, active int) {
	if active > 0 && t.act != "weight" {
		i.add(t.quietLine())
	}
	if active == 0 || t.act == "maint" || t.act == "weight" {
		return
	}
	i.add(t.limitLine())
	switch {
	case t.holds.Then != proxy.ThenCut || t.holds.Limit == 0 && t.given.Then == "":
	case t.given.Then == proxy.ThenCut:
		i.Cut = active
	default:
		i.Cut, i.Level = active, LevelTyped
	}
}

// add adds a sentence, if there is one.
func (i *Impact) add(line string) {
	if line != "" {
		i.Lines = append(i.Lines, line)
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}
