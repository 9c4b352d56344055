package instance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// The state file has what was done with --save, and only that (rule 13). It is
// read again before each change, since people may edit it, and what the
// configuration has changed since goes out of it.

// statePath is where the state file is: beside the configuration.
func (in *Instance) statePath() string { return in.c.Path + ".state" }

// aspects are what the acts that take --save keep of a backend.
var aspects = map[string]proxy.Aspect{
	"drain": proxy.AspectAdmin, "maint": proxy.AspectAdmin, "ready": proxy.AspectAdmin,
	"weight": proxy.AspectWeight,
	"add":    proxy.AspectPresence, "remove": proxy.AspectPresence,
}

// save keeps what an act has done to a backend. Whoever comes second waits,
// also for a reload.
func (in *Instance) save(backend string, r *api.Request) error {
	in.reloading.Lock()
	defer in.reloading.Unlock()
	saved, bad, err := readState(in.statePath())
	if err != nil {
		return err
	}
	in.noteInvalid(bad)
	service, name := api.SplitTarget(backend)
	now := in.engine.Handover().Save()
	if sb := now[service][name]; sb.Removed != nil && sb.Admin == "" {
		sb.By, sb.Reason = r.By, r.Reason // which the engine has forgotten with the backend
		now[service][name] = sb
	}
	saved.Keep(aspects[r.Act], service, name, now)
	return writeState(in.statePath(), saved)
}

// restore brings back what was saved, before the engine starts.
func (in *Instance) restore() error {
	if in.c.Path == "" {
		return nil
	}
	saved, bad, err := readState(in.statePath())
	if err != nil {
		return fmt.Errorf("%w; remove it to start without what was saved", err)
	}
	in.noteInvalid(bad)
	in.engine.Handover().Restore(saved)
	if err := writeState(in.statePath(), saved); err != nil {
		in.log.Warn("what the file has changed since it was saved is saved still: " + err.Error())
	}
	return nil
}

// reconcile says what operators had done, as it was before a reload, and the
// new configuration has changed; it is no longer saved either.
func (in *Instance) reconcile(before proxy.Saved) []string {
	gone := in.engine.Handover().Reconcile(before)
	saved, bad, err := readState(in.statePath())
	gone = append(gone, bad...)
	if err == nil {
		in.engine.Handover().Reconcile(saved)
		err = writeState(in.statePath(), saved)
	}
	if err != nil {
		gone = append(gone, "what is saved may be older than the file: "+err.Error())
	}
	return gone
}

// noteInvalid says what of a state file is none.
func (in *Instance) noteInvalid(bad []string) {
	for _, text := range bad {
		in.engine.Note(proxy.Event{Kind: proxy.EventAdmin, Level: proxy.LevelWarn, Text: "saved: " + text})
	}
}

// readState reads a state file; where there is none, nothing was saved. What
// of it is none is bad, a sentence each, and is left out.
func readState(path string) (saved proxy.Saved, bad []string, err error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return proxy.Saved{}, nil, nil
	case err != nil:
		return nil, nil, err
	}
	if saved, bad, err = proxy.ReadSaved(text); err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return saved, bad, nil
}

// writeState writes a state file whole, or not at all. One that would say
// nothing is removed.
func writeState(path string, saved proxy.Saved) error {
	if len(saved) == 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(saved, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // which fails once it has its name
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
