package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// binding is what some keys do. The key line, the help and remapping all use the table of bindings.
type binding struct {
	name string // in [console.keys]
	// Its keys. Help().Desc is its label in the key line; "" is not in it.
	key.Binding
	help string
	act  string // the engine's act that it requests; "": none
	weak bool   // a pane may use the key for something of its own

	off func(*frame) string // why it does nothing here and now; "" when it works
	run func(*frame) intent
}

// on makes a binding of keys, named as in Bubble Tea, with its label in the key line.
func on(label string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(showKeys(keys), label))
}

// remap replaces a binding's keys.
func (b *binding) remap(keys []string) {
	b.SetKeys(keys...)
	b.SetHelp(showKeys(keys), b.Help().Desc)
}

// disabled says why a binding does nothing now: its act is not offered, the console is read-only,
// or a reason of its own. "": it works.
func (b *binding) disabled(f *frame) string {
	if b.act != "" {
		if api.Lookup(b.act) == nil {
			return "this engine does not offer it"
		}
		if why := f.cannotAct(); why != "" {
			return why
		}
	}
	if b.off != nil {
		return b.off(f)
	}
	return ""
}

// keymap has the bindings of each pane, after remapping.
type keymap struct {
	global   []*binding
	panes    map[string][]*binding
	remapped map[string]string // name: the default keys, for the help
}

// in lists the bindings of a pane, its own first.
func (k *keymap) in(pane string) []*binding {
	own := k.panes[pane]
	all := slices.Clone(own)
	for _, b := range k.global {
		if !b.weak || !slices.ContainsFunc(own, func(o *binding) bool { return slices.Equal(o.Keys(), b.Keys()) }) {
			all = append(all, b)
		}
	}
	return all
}

// find returns the binding of a key in a pane.
func (k *keymap) find(pane string, pressed tea.KeyMsg) *binding {
	for _, b := range k.in(pane) {
		if key.Matches(pressed, b.Binding) {
			return b
		}
	}
	return nil
}

// keyNames are the keys whose names differ from Bubble Tea's.
var keyNames = map[string]string{"space": " ", "ctrl+space": "ctrl+@"}

// keyName returns the name of a key as people write it.
func keyName(pressed string) string {
	for name, k := range keyNames {
		if pressed == k {
			return name
		}
	}
	return pressed
}

func showKeys(keys []string) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = keyName(k)
	}
	return strings.Join(names, " ")
}

// newKeymap applies [console.keys]: action = "key", or several with spaces between them. An unknown
// action, or a key that would do two things in one pane, is an error that names it.
func newKeymap(w *workspace, panes []pane, remap map[string]string) (*keymap, error) {
	k := &keymap{global: globalKeys(w), panes: map[string][]*binding{}, remapped: map[string]string{}}
	all := map[string][]*binding{}
	add := func(bs []*binding) {
		for _, b := range bs {
			all[b.name] = append(all[b.name], b)
		}
	}
	add(k.global)
	for _, p := range panes {
		var own []*binding
		for _, b := range p.keys() {
			own = append(own, &b)
		}
		k.panes[p.name()] = own
		add(own)
	}
	names := slices.Sorted(maps.Keys(all))
	for _, name := range slices.Sorted(maps.Keys(remap)) {
		bs := all[name]
		if bs == nil {
			return nil, fmt.Errorf("tui: console.keys: there is no action %q%s", name, text.DidYouMean(name, names))
		}
		keys := strings.Fields(remap[name])
		if len(keys) == 0 {
			return nil, fmt.Errorf("tui: console.keys: %s has no key", name)
		}
		for i, key := range keys {
			if key == "ctrl+z" {
				return nil, fmt.Errorf("tui: console.keys: %s: ctrl+z is not offered: it would suspend the engine too", name)
			}
			if ours, ok := keyNames[key]; ok {
				keys[i] = ours
			}
		}
		k.remapped[name] = bs[0].Help().Key
		for _, b := range bs {
			b.remap(keys)
		}
	}
	for _, p := range panes {
		if err := k.unique(p.name()); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// unique refuses a key that does two things in one pane.
func (k *keymap) unique(pane string) error {
	taken := map[string]string{}
	for _, b := range k.in(pane) {
		for _, key := range b.Keys() {
			if other, ok := taken[key]; ok && other != b.name {
				return fmt.Errorf("tui: console.keys: %s is both %s and %s in %s", keyName(key), other, b.name, pane)
			}
			taken[key] = b.name
		}
	}
	return nil
}

// CheckKeys reports what is wrong with a [console.keys] table; see Config.Keys.
// It needs no console.
func CheckKeys(remap map[string]string) error {
	_, err := newKeymap(nil, newPanes(), remap)
	return err
}
