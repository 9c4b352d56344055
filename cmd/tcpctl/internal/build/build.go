// Package build says what this binary was built from, for version, peers, status and metrics.
package build

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// version, commit and date are set when a release is built, see internal/release.
var version, commit, date string

// Binary describes the build of a binary.
type Binary struct {
	Version string `json:"version"`          // version of the release; devel: not a release
	Commit  string `json:"commit,omitempty"` // commit of the source, with "+changed" if the source had changes
	Date    string `json:"date,omitempty"`   // date of the commit, in RFC 3339
	Go      string `json:"go"`               // version of the compiler
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// This is what the release's build has set, or else what the go command has
// found out.
func This() Binary {
	b := Binary{Version: version, Commit: commit, Date: date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.complete(info)
	}
	b.Version = cmp.Or(b.Version, "devel")
	return b
}

// complete fills in what the build of a release would have set.
func (b *Binary) complete(info *debug.BuildInfo) {
	if b.Version == "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version
	}
	if b.Commit != "" {
		return
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	b.Commit, b.Date = set["vcs.revision"], set["vcs.time"]
	if b.Commit != "" && set["vcs.modified"] == "true" {
		b.Commit += "+changed"
	}
}

// Text is the version with the day and the beginning of the commit, as the build
// metadata of semantic versions: "1.2.0+20261128.0123456789ab", and ".changed"
// behind it where the source had changes. Other nodes show it.
func (b Binary) Text() string {
	commit, changed := strings.CutSuffix(b.Commit, "+changed")
	var built []string
	if day, err := time.Parse(time.RFC3339, b.Date); err == nil {
		built = append(built, day.UTC().Format("20060102"))
	}
	if commit != "" {
		built = append(built, commit[:min(len(commit), 12)])
	}
	if changed {
		built = append(built, "changed")
	}
	if len(built) == 0 {
		return b.Version
	}
	return b.Version + "+" + strings.Join(built, ".")
}
