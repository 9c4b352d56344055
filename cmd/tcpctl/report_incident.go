package main

import (
	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/proxy/incident"
)

// incidentReport shows what a period meant to clients.
func incidentReport(cmd *cobra.Command, when *stretchFlags, form string) error {
	q, err := when.stretch()
	if err != nil {
		return err
	}
	src := source(cmd)
	defer src.Close()
	i, err := src.Incident(cmd.Context(), q)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch form {
	case "json":
		return printJSON(out, i)
	case "html":
		return incident.HTML(out, i, incident.Options{})
	case "markdown":
		return incident.Markdown(out, i, incident.Options{})
	}
	return incident.Text(out, i, incident.Options{})
}

// incidentForm returns the requested format; "" is for a terminal.
func incidentForm(when *stretchFlags, args []string, asJSON, markdown, html bool) (form string, err error) {
	switch {
	case when.since == "":
		return "", usage("a report of a stretch of time needs --since; try: tcpctl report --since 1h")
	case len(args) > 0:
		return "", usage("report takes an id or --since, not both")
	}
	n := 0
	for name, on := range map[string]bool{"json": asJSON, "markdown": markdown, "html": html} {
		if on {
			form = name
			n++
		}
	}
	if n > 1 {
		return "", usage("--json, --markdown and --html are three forms: give one")
	}
	return form, nil
}
