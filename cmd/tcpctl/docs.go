package main

import (
	"embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/manual"
	"github.com/tcpctl/tcpctl/proxy/text"
)

//go:generate go test -count=1 -run ^TestReferencesAreWhatTheProgramHas$ . -update

// references are all generated except operating.md; TestReferencesAreWhatTheProgramHas checks that
// they are current.
//
//go:embed docs/*.md docs/config.schema.json docs/openapi.json docs/man
var references embed.FS

// topics are the references by their names in tcpctl docs.
var topics = []struct{ name, file, about string }{
	{"config", "config.md", "every key of the configuration file"},
	{"operating", "operating.md", "what operators need to know: states, pauses, drains, discovery, TLS, limits"},
	{"commands", "commands.md", "every command with its flags"},
	{"json", "json.md", "what --json prints"},
	{"events", "events.md", "kinds of events, and the reasons that they give"},
	{"metrics", "metrics.md", "what /metrics has"},
	{"access-log", "access-log.md", "the fields of the access log"},
	{"hooks", "hooks.md", "the environment of commands that tcpctl runs"},
	{"api", "api.md", "the control socket's routes"},
	{"schema", "config.schema.json", "JSON schema of the configuration, for editors"},
	{"openapi", "openapi.json", "OpenAPI description of the control socket"},
}

func docsCommand() *cobra.Command {
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
	}
	cmd := &cobra.Command{
		Use: "docs [TOPIC]", Short: "Print a reference, or list all references", Args: cobra.MaximumNArgs(1), GroupID: groupLook,
		Example:           "  tcpctl docs config | less -R\n  tcpctl docs schema > tcpctl.schema.json",
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				t := table{{"TOPIC", "WHAT"}}
				for _, topic := range topics {
					t = append(t, []string{topic.name, topic.about})
				}
				t.print(cmd.OutOrStdout())
				return nil
			}
			i := slices.Index(names, args[0])
			if i < 0 {
				hint := "tcpctl docs lists them"
				if near := text.Nearest(args[0], names); near != "" {
					hint = "did you mean " + near + "?"
				}
				return usage("there is no topic %q; %s", args[0], hint)
			}
			return printReference(cmd.OutOrStdout(), topics[i].file)
		},
	}
	return cmd
}

// printReference prints a reference, rendered if w is a terminal.
func printReference(w io.Writer, file string) error {
	content, err := references.ReadFile("docs/" + file)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(file, ".md") || !onTerminal(w) {
		_, err = w.Write(content)
		return err
	}
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || width < 40 {
		width = 80
	}
	_, err = fmt.Fprint(drawing(), manual.Render(string(content), min(width, 120)))
	return err
}
