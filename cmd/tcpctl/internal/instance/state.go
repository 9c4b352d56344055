package instance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/fileerror"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// stateFile keeps what operators did with --save, and only that (rule 13). It is in the
// configuration's folder, and is read again before each change, since an operator may edit it. What
// a new configuration overrules is removed.
type stateFile struct {
	path   string // "": there is no configuration file, and so no state file
	engine *proxy.Engine
}

// aspects are the aspects of a backend that acts with --save keep.
var aspects = map[string]proxy.Aspect{
	"drain": proxy.AspectAdmin, "maint": proxy.AspectAdmin, "ready": proxy.AspectAdmin,
	"weight": proxy.AspectWeight,
	"add":    proxy.AspectPresence, "remove": proxy.AspectPresence,
}

// keep saves what an act has done to a backend.
func (f *stateFile) keep(backend string, r *api.Request) error {
	saved, invalid, err := readState(f.path)
	if err != nil {
		return err
	}
	f.note(invalid)
	service, name := api.SplitTarget(backend)
	now := proxy.HandoverOf(f.engine).Save()
	if sb := now[service][name]; sb.Removed != nil && sb.Admin == "" {
		sb.By, sb.Reason = r.By, r.Reason // kept here, since the engine forgets them with the backend
		now[service][name] = sb
	}
	saved.Keep(aspects[r.Act], service, name, now)
	return writeState(f.path, saved)
}

// restore applies what was saved, before the engine starts. The warning means that the file could
// not be rewritten.
func (f *stateFile) restore() (warning, err error) {
	if f.path == "" {
		return nil, nil
	}
	saved, invalid, err := readState(f.path)
	if err != nil {
		return nil, fmt.Errorf("%w; remove the file to start without what was saved", err)
	}
	f.note(invalid)
	proxy.HandoverOf(f.engine).Restore(saved)
	return writeState(f.path, saved), nil
}

// reconcile reports which of the operators' changes (before, as before a reload) the new
// configuration has overruled, and removes them from the file.
func (f *stateFile) reconcile(before proxy.Saved) []string {
	overruled := proxy.HandoverOf(f.engine).Reconcile(before)
	saved, invalid, err := readState(f.path)
	overruled = append(overruled, invalid...)
	if err == nil {
		proxy.HandoverOf(f.engine).Reconcile(saved)
		err = writeState(f.path, saved)
	}
	if err != nil {
		overruled = append(overruled, "the state file could not be updated and may be older than the configuration: "+err.Error())
	}
	return overruled
}

// note adds events about invalid entries of a state file.
func (f *stateFile) note(invalid []string) {
	for _, text := range invalid {
		f.engine.Operator().Note(proxy.Event{Kind: proxy.EventAdmin, Level: proxy.LevelWarn, Text: "saved: " + text})
	}
}

// maxState bounds a state file, in bytes.
const maxState = 64 << 20

// readState reads a state file; a missing one is empty. Invalid entries are skipped, and invalid
// has a sentence for each.
func readState(path string) (saved proxy.Saved, invalid []string, err error) {
	text, err := fileerror.Read(path, maxState)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return proxy.Saved{}, nil, nil
	case err != nil:
		return nil, nil, err
	}
	if saved, invalid, err = proxy.ReadSaved(text); err != nil {
		return nil, nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return saved, invalid, nil
}

// writeState writes a state file completely or not at all. An empty state removes it.
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
	return statedir.Replace(path, text)
}
