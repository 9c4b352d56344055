package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version, commit and date are set by a release's build (-ldflags
// "-X main.version=… -X main.commit=… -X main.date=…").
var version, commit, date string

// build is what a binary knows of its source.
type build struct {
	Version string `json:"version"`          // of the release; devel: of no release
	Commit  string `json:"commit,omitempty"` // of its source; "+changed" behind it when the source had changes
	Date    string `json:"date,omitempty"`   // of the commit, in RFC 3339
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// thisBuild is what the release's build has set, or else what the go command
// has found out.
func thisBuild() build {
	b := build{Version: version, Commit: commit, Date: date, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		b.Version = cmp.Or(b.Version, "devel")
		return b
	}
	if info.Main.Version != "(devel)" {
		b.Version = cmp.Or(b.Version, info.Main.Version)
	}
	b.Version = cmp.Or(b.Version, "devel")
	if b.Commit == "" {
		set := map[string]string{}
		for _, s := range info.Settings {
			set[s.Key] = s.Value
		}
		b.Commit, b.Date = set["vcs.revision"], set["vcs.time"]
		if b.Commit != "" && set["vcs.modified"] == "true" {
			b.Commit += "+changed"
		}
	}
	return b
}

// versionText is the version with the commit: what peers, metrics and status show.
func versionText() string {
	b := thisBuild()
	if b.Commit == "" {
		return b.Version
	}
	return b.Version + "+" + b.Commit[:min(len(b.Commit), 12)]
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs, GroupID: groupLook,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := thisBuild()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), b)
			}
			of := ""
			if b.Commit != "" {
				of = fmt.Sprintf("commit %.12s of %.10s, ", b.Commit, cmp.Or(b.Date, "an unknown day"))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "tcpctl %s (%s%s %s/%s)\n", b.Version, of, b.Go, b.OS, b.Arch)
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
