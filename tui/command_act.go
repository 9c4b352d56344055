package tui

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// allPeers is the value of --peer for every node, here as in the CLI.
const allPeers = "all"

// takePeer removes --peer NODE from a line's words: it says where an act is done, and is no option
// of it.
func takePeer(words []string) (rest []string, peer string, err error) {
	for i := 0; i < len(words); i++ {
		value, inline := strings.CutPrefix(words[i], "--peer=")
		switch {
		case inline:
			peer = value
		case words[i] == "--peer":
			if i++; i == len(words) {
				return nil, "", refusal("--peer needs a node, or all")
			}
			peer = words[i]
		default:
			rest = append(rest, words[i])
		}
	}
	return rest, peer, nil
}

// actCommand returns the intent of a typed act, on the node that --peer names.
func (w *workspace) actCommand(req api.Request, peer string) intent {
	switch {
	case peer == allPeers:
		return typedAct{req, true}
	case peer == "" || peer == w.peer:
		return typedAct{req, false}
	case screen.Safe(peer) == w.ownName():
		peer = ""
	}
	// The impact there is known only once the node has answered.
	return openNode{peer, typedAct{req, false}}
}

// typedAct is an act that was typed. Without a target it applies to what is marked or under the
// cursor, as a key does.
type typedAct struct {
	req        api.Request
	everywhere bool
}

func (t typedAct) apply(m *model) tea.Cmd {
	act, w := api.Lookup(t.req.Act), propose{req: t.req, everywhere: t.everywhere}
	filtered := w.req.Service != "" || w.req.Backend != "" || w.req.Client != ""
	if act.On != api.OnNothing && !filtered {
		if act.Args != "" && act.Args[0] != '[' && len(w.req.Targets) == 1 && len(w.req.Args) == 0 {
			w.req.Targets, w.req.Args = nil, w.req.Targets // `:weight 5`
		}
		if len(w.req.Targets) == 0 {
			w.req.Targets, w.hidden, w.gone = m.underCursor(act)
		}
	}
	if w.req.DryRun {
		return m.do(&proposal{req: w.req, act: act, peer: m.peer, everywhere: t.everywhere})
	}
	return w.apply(m)
}

// underCursor returns the targets of an act that was typed without one.
func (w *workspace) underCursor(act *api.Act) (targets, hidden []string, gone bool) {
	var ids []string
	switch w.focus {
	case paneBackends:
		ids, hidden = w.backends.table.Chosen()
		gone = w.backends.table.JustGone(w.clock())
	case paneQueue:
		if act.On == api.OnService {
			return []string{w.queue.service}, nil, false
		}
		ids, hidden = w.queue.table.Chosen()
		gone = w.queue.table.JustGone(w.clock())
	case paneSessions:
		ids, hidden = w.sessions.table.Chosen()
		gone = w.sessions.table.JustGone(w.clock())
	}
	return chosenTargets(&w.frame, act, ids), hidden, gone
}
