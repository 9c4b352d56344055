package config

import (
	"fmt"
	"slices"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestIndex(t *testing.T) {
	x := indexOf("\ufeff# a comment [not.a.table]\r\n" + `
[services.db] # "
  listen = ["a", 'b#', """
]""" ]
"quoted.key".'it''s' = 1
backends = [
  # { no = 1 }
  { name = "a }", sub.key = 1 }, "plain",
  { name = 'b',
    weight = 2, # ]
  },
]

[[list]]
a.b = 1979-05-27 07:32:00
[[list]]
[list.deep]
x = '''
y = 2
'''
z = "\"" ; trash
[services.db.lock]
`)
	for path, want := range map[string]place{
		"services":                        {3, 1},
		"services.db":                     {3, 1},
		"services.db.listen":              {4, 3},
		"services.db.listen[1]":           {4, 18},
		"services.db.listen[2]":           {4, 24},
		`services.db."quoted.key"`:        {6, 1},
		"services.db.backends[0]":         {9, 3},
		"services.db.backends[0].sub.key": {9, 19},
		"services.db.backends[1]":         {9, 34},
		"services.db.backends[2].weight":  {11, 5},
		"list[0].a.b":                     {16, 1},
		"list[1]":                         {17, 1},
		"list[1].deep.x":                  {19, 1},
		"list[1].deep.z":                  {22, 1},
		"services.db.lock":                {23, 1},
	} {
		if got := x.at[path]; got != want {
			t.Errorf("%s is at %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"y", "no", "list[1].deep.y", "services.db.backends[0].no"} {
		if at, found := x.at[path]; found {
			t.Errorf("%s was found at %v", path, at)
		}
	}
	for path, around := range map[string]string{
		"services.db.backends[0].wieght": "services.db.backends[0]",
		"services.db.lock.slots":         "services.db.lock",
		"services.web":                   "services",
	} {
		if got := x.find(path); got != x.at[around] {
			t.Errorf("%s was looked for at %v, want that of %s", path, got, around)
		}
	}
}

// For a text that the decoder accepts, the index has exactly its keys; for any other it terminates.
func FuzzIndex(f *testing.F) {
	for _, s := range []string{
		"a = 1\n[b.c]\nd = [1, [2, 3], {x = 1}]\n", "[[a]]\nb = 1\n[[a.c]]\n[a.c.d]\ne = 1\n", "a = {b.c = 1, \"d e\" = '}'}",
		"'a.b'.\"c\\u0041\" = \"\"\"x\"\"\"\"\n", "a = [\n#]\n'''\n]''', {\nb = 2,\n},\n]", "\ufeffa=1\r\nb=2", "a = 1979-05-27 07:32:00\n\"\" = 1",
		string(initial),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		x := indexOf(s)
		for path, p := range x.at {
			if p.line < 1 || p.column < 1 || p.line > len(x.starts) {
				t.Fatalf("%s is at %v", path, p)
			}
		}
		if x.deep != (place{}) {
			return
		}
		var raw map[string]any
		if _, err := toml.Decode(s, &raw); err != nil {
			return
		}
		var want, got []string
		paths("", raw, &want)
		for path := range x.at {
			got = append(got, path)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("the decoder has %q,\nthe index %q", want, got)
		}
	})
}

func paths(path string, v any, all *[]string) {
	if path != "" {
		*all = append(*all, path)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			paths(join(path, k), inner, all)
		}
	case []any:
		for i, inner := range v {
			paths(fmt.Sprintf("%s[%d]", path, i), inner, all)
		}
	case []map[string]any:
		for i, inner := range v {
			paths(fmt.Sprintf("%s[%d]", path, i), inner, all)
		}
	}
}
