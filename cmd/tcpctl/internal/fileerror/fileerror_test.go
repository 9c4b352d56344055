package fileerror

import (
	"errors"
	"io/fs"
	"testing"
)

func TestError(t *testing.T) {
	for want, e := range map[string]Error{
		"keys:2: it is no key; leave it out": {File: "keys", Line: 2, Column: 7, Text: "it is no key", Hint: "leave it out"},
		"keys: it is no file":                {File: "keys", Text: "it is no file"},
		"3 is too large; the most is 2":      {Text: "3 is too large", Hint: "the most is 2"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !errors.Is(&Error{Text: "there is no such file", Err: fs.ErrNotExist}, fs.ErrNotExist) {
		t.Error("the error that it comes from is hidden")
	}
}
