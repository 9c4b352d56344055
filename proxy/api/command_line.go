package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/text"
)

// ParseWords parses a request from the words and flags of a command line: drain
// db/a --limit 5m. Call Check once its targets are complete.
func ParseWords(words []string) (Request, error) {
	if len(words) == 0 {
		return Request{}, Wrong("there is no act", "name one, with its target: drain SERVICE/BACKEND")
	}
	act, err := findAct(words[0])
	if err != nil {
		return Request{}, err
	}
	r := Request{Act: act.Name}
	var plain []string
	for i := 1; i < len(words); i++ {
		flag, ok := strings.CutPrefix(words[i], "--")
		if !ok || flag == "" {
			plain = append(plain, words[i])
			continue
		}
		name, value, inline := strings.Cut(flag, "=")
		p, ok := act.Param(name)
		switch {
		case !ok:
			return r, Wrong(fmt.Sprintf("%s does not take --%s", act.Name, name), act.flagHint())
		case inline:
		case p.Kind() == KindSwitch:
			value = "true"
		case i+1 == len(words):
			return r, Wrong("--"+name+" needs a value", p.Help)
		default:
			i++
			value = words[i]
		}
		if err := p.Set(&r.Options, value); err != nil {
			return r, err
		}
	}
	switch {
	case act.On == OnNothing:
		r.Args = plain
	case act.Args != "" && len(plain) > 1:
		r.Targets, r.Args = plain[:1], plain[1:]
	default:
		r.Targets = plain
	}
	return r, nil
}

func (a *Act) flagHint() string {
	if len(a.Params) == 0 {
		return "it takes no options"
	}
	var names []string
	for _, p := range a.Params {
		names = append(names, "--"+p.Name)
	}
	return "it takes " + strings.Join(names, ", ")
}

// CommandLine returns the command line of the request, quoted for a shell:
// "tcpctl drain db/a --limit 5m".
func (r *Request) CommandLine() string {
	words := []string{"tcpctl", r.Act}
	for _, word := range slices.Concat(r.Targets, r.Args) {
		words = append(words, quote(word))
	}
	for _, p := range params {
		text := p.Text(&r.Options)
		switch {
		case text == "" || p.Name == paramDryRun.Name:
		case p.Kind() == KindSwitch:
			words = append(words, "--"+p.Name)
		default:
			words = append(words, "--"+p.Name, quote(text))
		}
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a shell.
func quote(s string) string {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_@%+=:,./-", r)
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// Check returns an error for a request that does not fit its act, whatever its
// targets: no instance would accept it.
func (a *Act) Check(r *Request) error {
	if err := cmp.Or(planOptions(r).Validate(), proxy.ValidateDuration("grace", r.Grace)); err != nil {
		return AsError(err)
	}
	switch {
	case r.Save && !a.Takes("save"):
		return Wrong(a.Name+" does not take --save: there is nothing to keep", "usage: tcpctl "+a.Use())
	case r.Save && r.Then == proxy.ThenAbort:
		return Wrong("--save does not go with --then abort: a drain that aborts leaves nothing to save", "use --then cut or --then keep")
	case (a.Name == "pause" || a.Name == "window") && r.Max > 0 && r.Limit > r.Max: // restart and roll drain without a pause, if they can
		return Wrong(fmt.Sprintf("--limit %s is longer than --max %s, at which the pause ends", text.Duration(r.Limit), text.Duration(r.Max)), "use a longer --max, or a shorter --limit")
	case a.On == OnSession && len(r.Targets) == 0 && r.Service == "" && r.Backend == "" && r.Client == "":
		return Wrong("kick takes sessions, or --service, --backend or --client", "tcpctl sessions lists them")
	case a.On == OnSession:
		return nil
	case a.On == OnNothing && len(r.Targets) > 0:
		return Wrong(a.Name+" takes no target", "usage: tcpctl "+a.Use())
	case a.On != OnNothing && len(r.Targets) == 0:
		return Wrong(a.Name+" needs a target", "usage: tcpctl "+a.Use())
	case !a.Many && len(r.Targets) > 1:
		return Wrong(a.Name+" takes one target", "usage: tcpctl "+a.Use())
	case a.Args == "" && len(r.Args) > 0:
		return Wrong(fmt.Sprintf("%s does not take %q", a.Name, r.Args[0]), "usage: tcpctl "+a.Use())
	case a.Args != "" && a.Args[0] != '[' && len(r.Args) == 0:
		return Wrong(a.Name+" needs "+a.Args, "usage: tcpctl "+a.Use())
	}
	if a.args != nil {
		return a.args(r.Args)
	}
	return nil
}
