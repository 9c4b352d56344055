package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestWordsAreTheEngines: the words that a key accepts, also used for hints at misspelt ones, are
// those that the engine accepts.
func TestWordsAreTheEngines(t *testing.T) {
	found := 0
	var walk func(key string, table reflect.Type, at func(*Service) reflect.Value)
	walk = func(key string, table reflect.Type, at func(*Service) reflect.Value) {
		for _, f := range fieldsOf(table) {
			inner, index := table.FieldByIndex(f.index).Type, f.index
			field := func(s *Service) reflect.Value { return at(s).FieldByIndex(index) }
			switch {
			case inner.Kind() == reflect.Struct:
				walk(join(key, f.key), inner, field)
			case f.tag.Get("oneof") != "" && !strings.HasPrefix(key, "ws"):
				found++
				checkWords(t, join(key, f.key), strings.Fields(f.tag.Get("oneof")), field)
			}
		}
	}
	walk("", reflect.TypeFor[Service](), func(s *Service) reflect.Value { return reflect.ValueOf(s).Elem() })
	for name, at := range map[string]func(*Service) reflect.Value{
		"hooks.ready":                func(s *Service) reflect.Value { return reflect.ValueOf(&s.Hooks.Ready).Elem() },
		"hooks.on_ttl.on_error":      func(s *Service) reflect.Value { return reflect.ValueOf(&s.Hooks.OnTTL.OnError).Elem() },
		"hooks.before_next.on_error": func(s *Service) reflect.Value { return reflect.ValueOf(&s.Hooks.BeforeNext.OnError).Elem() },
	} {
		f, _ := reflect.TypeFor[Hook]().FieldByName("OnError")
		if name == "hooks.ready" {
			f, _ = reflect.TypeFor[Hooks]().FieldByName("Ready")
		}
		found++
		checkWords(t, name, strings.Fields(f.Tag.Get("oneof")), at)
	}
	if found < 11 {
		t.Errorf("only %d keys have words", found)
	}
}

// checkWords compares the words with those that the engine names in its error.
func checkWords(t *testing.T, key string, words []string, at func(*Service) reflect.Value) {
	t.Helper()
	s := New().NewService("db")
	b := usualBackend
	b.Name, b.Addr = "a", "127.0.0.1:1"
	s.Listen, s.Backends = []string{"127.0.0.1:0"}, []Backend{b}
	s.Hooks = &Hooks{BeforeNext: &Hook{Run: []string{"true"}, Every: 1, Timeout: 1}, OnTTL: &Hook{Run: []string{"true"}, Every: 1, Timeout: 1}}
	at(&s).SetString("no such word")
	for _, e := range s.proxy().Validate() {
		if e.Key == key {
			if want := "it is one of " + strings.Join(words, ", "); e.Hint != want {
				t.Errorf("%s: the engine says %q, the file %q", key, e.Hint, want)
			}
			return
		}
	}
	t.Errorf("%s: the engine takes any word: %s", key, fmt.Sprint(s.proxy().Validate()))
}

// TestNotifyAcceptsEveryKindOfEvent: [notify] accepts the engine's list.
func TestNotifyAcceptsEveryKindOfEvent(t *testing.T) {
	for _, kind := range []string{"hook", "hook.failing", "panic", "peer", "refused", "backend.down"} {
		if _, err := Parse("x.toml", []byte(fmt.Sprintf("[notify]\non = [%q]\n[services.db]\nlisten = \"127.0.0.1:0\"\nbackends = []\n", kind))); err != nil {
			t.Error(err)
		}
	}
	if _, err := Parse("x.toml", []byte("[notify]\non = [\"hok\"]\n")); err == nil || !strings.Contains(err.Error(), `did you mean "hook"`) {
		t.Error(err)
	}
}
