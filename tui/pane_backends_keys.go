package tui

import (
	"strconv"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

func (p *backendsPane) keys() []binding {
	onBackends := func(act string) func(*frame) intent {
		return func(f *frame) intent { return proposeChosen(f, &p.table, act) }
	}
	return []binding{
		{name: "heat", Binding: on("", "H"), help: "heat strips of latency and who talks most, or the table again", run: p.turnHeat},
		{name: "heat_by", Binding: on("", "b"), help: "who talks: in bytes, sessions or waiting time", off: p.noHeat, run: func(*frame) intent { return p.heatWith(func(h *heat) { h.by = nextOf(heatBy, h.by) }) }},
		{name: "heat_group", Binding: on("", "c"), help: "who talks: by client, /24 or service", off: p.noHeat, run: func(*frame) intent { return p.heatWith(func(h *heat) { h.group = nextOf(heatGroup, h.group) }) }},
		{name: "drain", Binding: on("drain", "d"), help: "drain: no new sessions; live ones end by themselves", act: "drain", off: p.noBackend, run: onBackends("drain")},
		{name: "ready", Binding: on("ready", "u"), help: "ready: back in service", act: "ready", off: p.noBackend, run: onBackends("ready")},
		{name: "maint", Binding: on("maint", "m"), help: "maintenance: drain, and stop the checks", act: "maint", off: p.noBackend, run: onBackends("maint")},
		{name: "restart", Binding: on("restart", "R"), help: "restart: drain, command, checks, ready", act: "restart", off: p.noBackend, run: onBackends("restart")},
		{name: "weight", Binding: on("", "w"), help: "weight: the share of new sessions", act: "weight", off: p.noBackend, run: p.askWeight},
		{name: "pause", Binding: on("pause", "P"), help: "pause the service, or resume it", act: "pause", off: p.noService, run: func(f *frame) intent {
			r, _ := p.table.Current()
			return pauseOrResume(f, r.service.Name)
		}},
		{name: "check", Binding: on("", "ctrl+r"), help: "check the backend now", act: "probe", off: p.noBackend, run: onBackends("probe")},
	}
}

func (p *backendsPane) noService(*frame) string {
	if _, ok := p.table.Current(); !ok {
		return "there is no service"
	}
	return ""
}

func (p *backendsPane) noBackend(*frame) string {
	r, ok := p.table.Current()
	switch {
	case p.table.Marked() > 0:
		return ""
	case !ok:
		return "there is no backend"
	case r.backend == nil:
		return "the cursor is on a service"
	}
	return ""
}

func (p *backendsPane) askWeight(f *frame) intent {
	r, ok := p.table.Current()
	if !ok || r.backend == nil {
		return nil
	}
	target, gone := r.target, p.table.JustGone(f.clock())
	request := func(s string) api.Request {
		return api.Request{Act: "weight", Targets: []string{target}, Args: []string{s}}
	}
	check := func(s string) error {
		if s == "" {
			return nil // it stays
		}
		req := request(s)
		return api.Lookup("weight").Check(&req)
	}
	weight := newPrompt("weight of "+screen.Safe(target)+": ", "")
	weight.empty = strconv.Itoa(r.backend.Weight) // not in the line: a 9 typed behind 1 would make 19 of it
	weight.check = check
	weight.done = func(s string) intent {
		if s == "" {
			return notice{"info", "weight: nothing was done"}
		}
		return propose{req: request(s), gone: gone}
	}
	return open{weight}
}
