package proxy

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// pool is a service with the backends a and b, modified by change. Its engine is not
// started, as these tests need no clients.
func pool(change func(*ServiceConfig)) ServiceConfig {
	c := ServiceConfig{Name: "db", Listen: []string{"127.0.0.1:0"}, Check: CheckConfig{Type: "none"},
		Backends: []BackendConfig{{Name: "a", Addr: "127.0.0.1:1", Weight: 2}, {Name: "b", Addr: "127.0.0.1:2"}}}
	if change != nil {
		change(&c)
	}
	return c
}

func engineOf(t *testing.T, services ...ServiceConfig) *Engine {
	t.Helper()
	e, err := New(Config{Services: services})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// operated is an engine on which everything that can be saved was done.
func operated(t *testing.T) *Engine {
	t.Helper()
	e := engineOf(t, pool(nil))
	s := e.Service("db")
	for _, do := range []func() (string, error){
		func() (string, error) { return s.Backend("a").SetWeight(7, "ana", "") },
		func() (string, error) { return s.Backend("a").Drain(DrainOptions{By: "ana", Reason: "new disk"}) },
		func() (string, error) { return s.Backend("b").Remove(DrainOptions{By: "ben"}) },
		func() (string, error) {
			return s.Add(BackendConfig{Name: "c", Addr: "127.0.0.1:3", Weight: -1, ReadyTimeout: 1500 * time.Millisecond}, "ana", "")
		},
		func() (string, error) { return s.Backend("c").Maint(DrainOptions{By: "eve"}) },
	} {
		if _, err := do(); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// asJSON returns what is read back from a file.
func asJSON(t *testing.T, all Saved) Saved {
	t.Helper()
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var again Saved
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestRule13AllOfItComesBack(t *testing.T) {
	t.Parallel()
	all := HandoverOf(operated(t)).Save()
	e := engineOf(t, pool(nil))
	HandoverOf(e).Restore(asJSON(t, all))
	if again := HandoverOf(e).Save(); !reflect.DeepEqual(again, all) {
		t.Errorf("after a restart:\n%+v\nbefore:\n%+v", again, all)
	}
	if got := warnings(e); len(got) > 0 {
		t.Errorf("warnings about valid state: %q", got)
	}
	if i := e.Service("db").Backend("c").Info(); i.Weight != 0 || i.Admin != AdminMaint || e.Service("db").Backend("b") != nil {
		t.Errorf("c is %+v", i)
	}
}

// TestASavedBackendIsWhole: a field missing in SavedAddress would be lost at the next
// start.
func TestASavedBackendIsWhole(t *testing.T) {
	t.Parallel()
	var c BackendConfig
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i) + 1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		default:
			t.Fatalf("%s: this test cannot fill a %s", v.Type().Field(i).Name, f.Kind())
		}
	}
	c.FoundBy = "" // only operators' backends are saved
	if again := c.saved().config("x"); !reflect.DeepEqual(again, c) {
		t.Errorf("%+v is saved as %+v", c, again)
	}
}

func warnings(e *Engine) (texts []string) {
	page, _ := e.Operator().Events(0)
	for _, ev := range page.Events {
		if ev.Level == LevelWarn {
			texts = append(texts, ev.Text)
		}
	}
	return texts
}

func TestRule13EachAspectIsKeptAlone(t *testing.T) {
	t.Parallel()
	now := HandoverOf(operated(t)).Save()
	seven := 7
	for _, c := range []struct {
		name string
		what []Aspect
		want SavedBackend
	}{
		{"a", []Aspect{AspectAdmin}, SavedBackend{Admin: AdminDrain, By: "ana", Reason: "new disk"}},
		{"a", []Aspect{AspectWeight}, SavedBackend{Weight: &seven, FileWeight: 2}},
		{"a", []Aspect{AspectAdmin, AspectWeight}, SavedBackend{Admin: AdminDrain, By: "ana", Reason: "new disk", Weight: &seven, FileWeight: 2}},
		{"b", []Aspect{AspectPresence}, SavedBackend{Removed: &SavedAddress{Addr: "127.0.0.1:2", Weight: 1}}},
		{"c", []Aspect{AspectPresence}, SavedBackend{Added: &SavedAddress{Addr: "127.0.0.1:3", ReadyTimeoutSeconds: 1.5}}},
		{"c", []Aspect{AspectAdmin, AspectPresence}, SavedBackend{Added: &SavedAddress{Addr: "127.0.0.1:3", ReadyTimeoutSeconds: 1.5}}},
	} {
		all := Saved{}
		for _, what := range c.what {
			all.Keep(what, "db", c.name, now)
		}
		if want := (Saved{"db": {c.name: c.want}}); !reflect.DeepEqual(all, want) {
			t.Errorf("%s, %v: %+v, not %+v", c.name, c.what, all, want)
		}
	}
}

// TestRule13WhatIsTakenBackIsForgotten: nothing is stored where nothing is done.
func TestRule13WhatIsTakenBackIsForgotten(t *testing.T) {
	t.Parallel()
	e := operated(t)
	now := HandoverOf(e).Save()
	s := e.Service("db")
	s.Backend("a").Ready("ana", "")
	s.Backend("a").SetWeight(2, "ana", "")
	s.Backend("c").Remove(DrainOptions{})
	s.Add(BackendConfig{Name: "b", Addr: "127.0.0.1:4"}, "ana", "")
	later := HandoverOf(e).Save()
	for _, c := range []struct {
		what Aspect
		name string
		left SavedBackend
	}{
		{AspectAdmin, "a", SavedBackend{Weight: now["db"]["a"].Weight, FileWeight: 2}},
		{AspectWeight, "a", SavedBackend{Admin: AdminDrain, By: "ana", Reason: "new disk"}},
		{AspectPresence, "c", SavedBackend{}},
		{AspectPresence, "b", SavedBackend{Added: &SavedAddress{Addr: "127.0.0.1:4", Weight: 1}, Removed: now["db"]["b"].Removed}},
	} {
		all := asJSON(t, now)
		all.Keep(c.what, "db", c.name, later)
		if left := all["db"][c.name]; !reflect.DeepEqual(left, c.left) {
			t.Errorf("%s of %s: left is %+v", c.what, c.name, left)
		}
	}
}

// TestRule13TheFileWins if the configuration has changed since, at a start and at a
// reload, with a warning; the rest stays.
func TestRule13TheFileWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		warning string
		lost    string // what is no longer saved
		change  func(*ServiceConfig)
	}{
		{"db/a: the weight 7 is forgotten: the file has changed it from 2 to 3", "a's weight",
			func(c *ServiceConfig) { c.Backends[0].Weight = 3 }},
		{"db/a: drain is forgotten: the file does not have it\ndb/a: the weight 7 is forgotten: the file does not have it", "a",
			func(c *ServiceConfig) { c.Backends = c.Backends[1:] }},
		{"db/b: its removal is forgotten: the file has changed it since", "b",
			func(c *ServiceConfig) { c.Backends[1].Priority = 1 }},
		{"", "b", func(c *ServiceConfig) { c.Backends = c.Backends[:1] }}, // the file does the same
		{"db/c: that it was added at 127.0.0.1:3 is forgotten: the file has it at 127.0.0.1:9", "that c was added",
			func(c *ServiceConfig) {
				c.Backends = append(c.Backends, BackendConfig{Name: "c", Addr: "127.0.0.1:9"})
			}},
		{"", "nothing", func(c *ServiceConfig) { c.IdleTimeout, c.Backends[0].Addr = time.Hour, "127.0.0.1:8" }},
	} {
		all := HandoverOf(operated(t)).Save()
		e := engineOf(t, pool(c.change))
		HandoverOf(e).Restore(all)
		if said := strings.Join(warnings(e), "\n"); said != c.warning || lost(all) != c.lost || lost(HandoverOf(e).Save()) != c.lost {
			t.Errorf("a start: it says %q, lost is %s, in force is not %s", said, lost(all), lost(HandoverOf(e).Save()))
		}

		e = operated(t)
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		all = HandoverOf(e).Save()
		for range 2 { // the second time nothing changes
			if _, err := e.Apply(Config{Services: []ServiceConfig{pool(c.change)}}); err != nil {
				t.Fatal(err)
			}
		}
		if said := strings.Join(HandoverOf(e).Reconcile(all), "\n"); said != c.warning || lost(all) != c.lost || lost(HandoverOf(e).Save()) != c.lost {
			t.Errorf("a reload: it says %q, lost is %s, in force is not %s", said, lost(all), lost(HandoverOf(e).Save()))
		}
		back := slices.ContainsFunc(e.Operator().Services()[0].Backends, func(b BackendInfo) bool { return b.Name == "b" })
		if want := c.lost == "b" && c.warning != ""; back != want {
			t.Errorf("a reload that loses %s: b is there: %v", c.lost, back)
		}
		e.Close()
	}
}

// lost returns what was done in operated and is missing in all.
func lost(all Saved) string {
	a, b, c := all["db"]["a"], all["db"]["b"], all["db"]["c"]
	switch none := (SavedBackend{}); {
	case a == none:
		return "a"
	case b == none:
		return "b"
	case c == none:
		return "c"
	case a.Weight == nil:
		return "a's weight"
	case c.Added == nil:
		return "that c was added"
	case a.Admin != AdminDrain || b.Removed == nil || c.Admin != AdminMaint:
		return "something"
	}
	return "nothing"
}

// TestRule13NonsenseIsForgotten: people may edit what is saved.
func TestRule13NonsenseIsForgotten(t *testing.T) {
	t.Parallel()
	less, much, huge := -1, 5, math.MaxInt
	for want, sb := range map[string]SavedBackend{
		`db/a: the admin state "drian" is forgotten: it is not one`:          {Admin: "drian"},
		`db/a: the weight is forgotten: weight = -1 is out of range`:         {Weight: &less, FileWeight: 2},
		`db/a: the weight is forgotten: weight = 9223372036854775807 is out`: {Weight: &huge, FileWeight: 2},
		`db/x: it is not added: weight = -5 is out of range`:                 {Added: &SavedAddress{Addr: "127.0.0.1:1", Weight: -5}},
		`db/x: it is not added: ready_timeout = 87600h0m0.000000001s is too`: {Added: &SavedAddress{Addr: "127.0.0.1:1", ReadyTimeoutSeconds: 1e300}},
		`db/a b: it is not added: backend "a b": a name has no space`:        {Added: &SavedAddress{Addr: "127.0.0.1:1"}},
		`db/x: it is not added: addr "nowhere" is not HOST:PORT`:             {Added: &SavedAddress{Addr: "nowhere"}},
		`db/x: the weight 5 is forgotten: the file does not have it`:         {Weight: &much, FileWeight: 2},
		`db/a: the weight 5 is forgotten: the file has changed it from 0 t`:  {Weight: &much},
	} {
		target, _, _ := strings.Cut(want, ": ")
		service, name, _ := strings.Cut(target, "/")
		all := Saved{service: {name: sb}}
		e := engineOf(t, pool(nil))
		HandoverOf(e).Restore(all)
		if got := warnings(e); len(got) != 1 || !strings.Contains(got[0], want) || len(all) != 0 || len(HandoverOf(e).Save()) != 0 {
			t.Errorf("%s: %q, left %v, in force %v", want, got, all, HandoverOf(e).Save())
		}
	}
}

// TestWhatIsSavedIsReadItemByItem: an invalid value does not affect others.
func TestWhatIsSavedIsReadItemByItem(t *testing.T) {
	t.Parallel()
	all, bad, err := ReadSaved([]byte(`{"db": {"a": {"admin": "drain", "weight": 9223372036854775808, "by": "ana"}, "b": {"weight": 5, "file_weight": 2}, "c": 7}, "web": []}`))
	if err != nil {
		t.Fatal(err)
	}
	five := 5
	want := Saved{"db": {"a": {Admin: "drain", By: "ana"}, "b": {Weight: &five, FileWeight: 2}}}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, not %+v", all, want)
	}
	if got := strings.Join(bad, "\n"); got != `db/a: its weight is forgotten: it cannot be 9223372036854775808
db/c is forgotten: it is not a table
all of web is forgotten: it is not a table of backends` {
		t.Errorf("%s", got)
	}
	for _, text := range []string{"", "{", "7", `{"db": {`} {
		if _, _, err := ReadSaved([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestRule13AServiceThatIsGone(t *testing.T) {
	t.Parallel()
	e := engineOf(t, pool(nil))
	all := Saved{"other": HandoverOf(operated(t)).Save()["db"]}
	HandoverOf(e).Restore(all)
	if got := warnings(e); len(all) != 0 || len(got) != 1 || got[0] != "all of other is forgotten: the file does not have that service" {
		t.Errorf("%q, left %v", got, all)
	}
}

// FuzzSaved restores any text: what is valid is then in force, and survives another
// restart unchanged.
func FuzzSaved(f *testing.F) {
	f.Add([]byte(`{"db": {"a": {"admin": "drain", "weight": 7, "file_weight": 2, "by": "ana@edge-01", "reason": "new disk"}}}`))
	f.Add([]byte(`{"db": {"b": {"removed": {"addr": "127.0.0.1:2", "weight": 1}, "added": {"addr": "[::1]:9", "weight": 0}, "admin": "maint"}}}`))
	f.Add([]byte(`{"db": {"c": {"added": {"addr": "unix:/x", "weight": -5, "ready_timeout_seconds": 1e300}, "weight": 3}}, "other": {"": {"added": {"addr": "127.0.0.1:3"}}}}`))
	f.Add([]byte(`{"db": null, "": {}, "db": {"a": {"removed": null}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var all Saved
		if json.Unmarshal(text, &all) != nil {
			return
		}
		e, err := New(Config{Services: []ServiceConfig{pool(nil)}})
		if err != nil {
			t.Fatal(err)
		}
		HandoverOf(e).Restore(all)
		first := HandoverOf(e).Save()
		again := engineOf(t, pool(nil))
		HandoverOf(again).Restore(asJSON(t, first))
		if second := HandoverOf(again).Save(); !reflect.DeepEqual(second, first) || len(warnings(again)) > 0 {
			t.Fatalf("%v, then %v, %q", first, second, warnings(again))
		}
	})
}

// TestRule13ReloadsKeepWhatWasDone, whatever else they change.
func TestRule13ReloadsKeepWhatWasDone(t *testing.T) {
	t.Parallel()
	e := operated(t)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	before := HandoverOf(e).Save()
	for n := range 4 {
		next := pool(func(c *ServiceConfig) { c.IdleTimeout = time.Duration(n/2) * time.Hour })
		changes, err := e.Apply(Config{Services: []ServiceConfig{next}})
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(changes, "; "); text != []string{"", "", "service db: idletimeout changes", ""}[n] {
			t.Errorf("reload %d: %q", n, text)
		}
	}
	if after := HandoverOf(e).Save(); !reflect.DeepEqual(after, before) {
		t.Errorf("after the reloads: %+v\nbefore: %+v", after, before)
	}
}

// TestRule13ABackendThatMovesStaysDrained, and at its weight.
func TestRule13ABackendThatMovesStaysDrained(t *testing.T) {
	t.Parallel()
	e := operated(t)
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	changes, err := e.Apply(Config{Services: []ServiceConfig{pool(func(c *ServiceConfig) { c.Backends[0].Addr = "127.0.0.1:9" })}})
	if err != nil || fmt.Sprint(changes) != "[service db: backend a moves to 127.0.0.1:9]" {
		t.Errorf("%q, %v", changes, err)
	}
	a := e.Service("db").Backend("a").Info()
	if a.Addr != "127.0.0.1:9" || a.Admin != AdminDrain || a.Weight != 7 {
		t.Errorf("it is %+v", a)
	}
}
