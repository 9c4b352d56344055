package tui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// showService goes to a pane and narrows it to a service: :status, :sessions and :view. Without a
// name, or with "all", it shows all services.
func (w *workspace) showService(pane int, name string) intent {
	if name == "all" {
		name = ""
	}
	if name != "" && w.stats.status.Service(name) == nil {
		return w.noService(name)
	}
	return inConsole(func(m *model) tea.Cmd {
		return tea.Batch(m.carryOut(focusPane(pane)), m.carryOut(setView(name)))
	})
}

// queueCommand shows the waiters of a service.
func (w *workspace) queueCommand(name string) intent {
	if name != "" && w.stats.status.Service(name) == nil {
		return w.noService(name)
	}
	return inConsole(func(m *model) tea.Cmd {
		if name != "" {
			m.queue.chosen = name
			m.refreshPane(paneQueue)
		}
		return m.carryOut(focusPane(paneQueue))
	})
}

func (w *workspace) noService(name string) intent {
	return refuse(fmt.Sprintf("there is no service %q%s", screen.Safe(name), text.DidYouMean(name, w.stats.serviceNames())))
}

// reportMsg is a plan's report, in answer to :report.
type reportMsg struct {
	workspace *workspace
	report    proxy.Report
	err       error
}

// reportCommand shows the report of a restart, window or roll; without an id the newest.
func (w *workspace) reportCommand(id string) intent {
	plans, ok := w.source.(api.Planner)
	if !ok {
		return refuse("this engine has no reports")
	}
	ctx := w.ctx
	return inBackground(func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		report, err := plans.Report(ctx, id)
		return reportMsg{w, report, err}
	})
}

func (m *model) onReport(msg reportMsg) {
	switch {
	case msg.workspace != m.workspace:
		return // another node is shown now
	case msg.err != nil:
		m.message.say(msg.err)
	default:
		m.over = append(m.over, factsBox("report "+screen.Safe(msg.report.ID), reportFacts(&m.frame, &msg.report)))
	}
	m.changed()
}

// reportFacts lists what the plan was, its effects on clients, and its steps.
func reportFacts(f *frame, r *proxy.Report) []fact {
	n := &r.Numbers
	facts := []fact{{"result", screen.Safe(r.Sentence())}}
	for _, one := range []fact{{"by", r.Owner}, {"reason", r.Reason}, {"error", r.Error}} {
		if one.value != "" {
			facts = append(facts, fact{one.name, screen.Safe(one.value)})
		}
	}
	facts = append(facts,
		fact{"began", f.timeOf(r.Started) + ", took " + screen.Clock(r.Took())},
		fact{"held", fmt.Sprintf("%d, longest %.1fs, p50 %.1fs, p99 %.1fs", n.Held, n.LongestSeconds, n.P50Seconds, n.P99Seconds)},
		fact{"ended", fmt.Sprintf("%d abandoned, %d timed out, %d cut, %d failed, %d rejected", n.Abandoned, n.TimedOut, n.Cut, n.Failed, n.Rejected)})
	for i, s := range r.Steps {
		line := fmt.Sprintf("%2d %-17s %s", i+1, screen.Safe(s.What), stateText(s.State))
		if s.Seconds > 0 {
			line += " " + screen.Clock(screen.Seconds(s.Seconds))
		}
		if s.Detail != "" {
			line += "  " + screen.Safe(s.Detail)
		}
		name := ""
		if i == 0 {
			name = "steps"
		}
		facts = append(facts, fact{name, line})
	}
	return append(facts, fact{"as text", "tcpctl report " + strings.TrimSpace(screen.Safe(r.ID)) + " --markdown"})
}

// showFleet shows all nodes in one table.
func (w *workspace) showFleet() intent {
	return inConsole(func(m *model) tea.Cmd {
		show := m.carryOut(focusPane(panePeers))
		if m.nodes.fleet.on {
			return show
		}
		return tea.Batch(show, m.carryOut(m.nodes.turn(&m.frame)))
	})
}
