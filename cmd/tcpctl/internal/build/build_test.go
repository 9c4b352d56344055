package build

import (
	"runtime/debug"
	"testing"
)

func TestWhatTheGoCommandKnows(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-28T23:00:00Z"}, {Key: "vcs.modified", Value: "true"}}}
	b := Binary{}
	b.complete(info)
	if want := (Binary{Version: "v1.2.0", Commit: "0123456789abcdef+changed", Date: "2026-11-28T23:00:00Z"}); b != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
	if got := b.Text(); got != "v1.2.0+20261128.0123456789ab.changed" {
		t.Error(got)
	}
}

// What a release has set takes precedence over the go command's information.
func TestWhatAReleaseHasSet(t *testing.T) {
	set := Binary{Version: "1.2.0", Commit: "abc", Date: "2026-11-28T23:00:00Z"}
	b := set
	b.complete(&debug.BuildInfo{Main: debug.Module{Version: "v9.9.9"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "def"}}})
	if b != set {
		t.Errorf("got %+v, want %+v", b, set)
	}
	if got := b.Text(); got != "1.2.0+20261128.abc" {
		t.Error(got)
	}
}

func TestTextOfAnUnknownSource(t *testing.T) {
	if got := (Binary{Version: "devel"}).Text(); got != "devel" {
		t.Error(got)
	}
}
