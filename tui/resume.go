package tui

import (
	"fmt"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// pauseOrResume serves one key: a pause has its dialog, a resume a prompt for the rate at which
// held clients are admitted.
func pauseOrResume(f *frame, service string) intent {
	s := f.stats.status.Service(service)
	if s != nil && s.Pause != nil && s.State != proxy.StateReleasing {
		return askResume(f, service, s.Pause.Held)
	}
	return propose{req: api.Request{Act: "pause", Targets: []string{service}}}
}

// askResume asks for the rate of a resume. Enter alone uses the configured rate, which the prompt
// shows.
func askResume(f *frame, service string, held int) intent {
	act := api.Lookup("resume")
	rate, _ := act.Param("rate")
	def := act.Defaults(f.stats.status, service)
	request := func(line string) (api.Request, error) {
		r := api.Request{Act: "resume", Targets: []string{service}}
		if line == "" {
			return r, nil
		}
		return r, rate.Set(&r.Options, line)
	}
	p := newPrompt(fmt.Sprintf("resume %s: %d held, at ", screen.Safe(service), held), "")
	p.empty, p.after = "all at once", "/s?"
	if text := rate.Text(&def); text != "" {
		p.empty = text
	}
	p.check = func(line string) error {
		_, err := request(line)
		return err
	}
	p.done = func(line string) intent {
		r, err := request(line)
		if err != nil {
			return fail{err}
		}
		return propose{req: r}
	}
	return open{p}
}
