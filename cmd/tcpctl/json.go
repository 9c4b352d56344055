package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/proxy/api"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// jsonFlag gives a command --json. With it, a command prints exactly one JSON document on standard
// output, also if it fails; a command that follows something prints one per line.
func jsonFlag(c *cobra.Command, to *bool) {
	c.Flags().BoolVar(to, "json", false, "print one JSON document")
}

// printJSON prints one indented document, printJSONLine one of many. Characters that control a
// terminal are escaped.
func printJSON(w io.Writer, v any) error     { return writeJSON(w, v, "  ") }
func printJSONLine(w io.Writer, v any) error { return writeJSON(w, v, "") }

func writeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", indent)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(text.JSON(b.Bytes()))
	return err
}

// reported is an error that the command has already printed.
type reported struct{ error }

func (r reported) Unwrap() error { return r.error }

// wantsJSON reports whether the command line asks for JSON. If it could not be parsed, the flag may
// not have been reached.
func wantsJSON(c *cobra.Command, args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	f := c.Flags().Lookup("json")
	return f != nil && (f.Value.String() == "true" || slices.Contains(args, "--json"))
}

// errorBody converts an error to a command's JSON document.
func errorBody(err error) (b api.ErrorBody) {
	e := &b.Error
	e.Code, e.Message = "failed", plainText(err)
	if refusal, ok := errors.AsType[*api.Error](err); ok {
		e.Code, e.Message, e.Hint = refusal.Code(), refusal.Text, refusal.Hint
	}
	switch statusOf(err) {
	case exitUsage:
		e.Code = "usage"
	case exitTime:
		e.Code = "timed_out"
	}
	if errors.Is(err, api.ErrNoInstance) {
		e.Code = "no_instance"
	}
	if found, ok := errors.AsType[config.Errors](err); ok && len(found) > 0 {
		e.Code, e.Message, e.Hint, e.File, e.Line = "configuration", found[0].Text, found[0].Hint, found[0].File, found[0].Line
	}
	return b
}
