package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// parseAct reads an act in the words and flags of the CLI.
func parseAct(words []string) (api.Request, error) {
	act := api.Lookup(words[0])
	r := api.Request{Act: act.Name}
	var plain []string
	for i := 1; i < len(words); i++ {
		flag, ok := strings.CutPrefix(words[i], "--")
		if !ok || flag == "" {
			plain = append(plain, words[i])
			continue
		}
		flag, value, inline := strings.Cut(flag, "=")
		if !act.Takes(flag) {
			return r, refusal(fmt.Sprintf("%s does not take --%s%s", act.Name, safe(flag), nearest(flag, act.Flags)))
		}
		if isSwitch(flag) {
			if err := setSwitch(&r, flag, value, inline); err != nil {
				return r, err
			}
			continue
		}
		if !inline {
			if i+1 == len(words) {
				return r, refusal("--" + flag + " needs a value")
			}
			i++
			value = words[i]
		}
		if err := setFlag(&r, flag, value); err != nil {
			return r, err
		}
	}
	switch {
	case act.On == api.OnNothing && act.Args != "":
		if len(plain) == 0 {
			return r, refusal("usage: " + act.Use())
		}
		r.Args = []string{strings.Join(plain, " ")}
	case act.On == api.OnNothing && len(plain) > 0:
		return r, refusal("usage: " + act.Use())
	case act.Args != "" && len(plain) > 1:
		r.Targets, r.Args = plain[:1], plain[1:]
	default:
		r.Targets = plain
	}
	return r, nil
}

func isSwitch(flag string) bool {
	return flag == "force" || flag == "dry-run" || flag == "wait" || flag == "save"
}

func setSwitch(r *api.Request, flag, value string, inline bool) error {
	on := true
	if inline {
		v, err := strconv.ParseBool(value)
		if err != nil {
			return refusal("--" + flag + " is true or false")
		}
		on = v
	}
	switch flag {
	case "force":
		r.Force = on
	case "dry-run":
		r.DryRun = on
	case "save":
		r.Save = on
	}
	return nil // the console always waits: a drain is a live row
}

func setFlag(r *api.Request, flag, value string) (err error) {
	switch flag {
	case "limit":
		r.Limit, err = parseSpan(value)
	case "max":
		r.Max, err = parseSpan(value)
	case "grace":
		r.Grace, err = parseSpan(value)
	case "max-wait":
		r.MaxWait, err = parseSpan(value)
	case "min-up":
		n, err := strconv.ParseUint("0"+value, 10, 16)
		if err != nil {
			return refusal(fmt.Sprintf("--min-up %q is no number", safe(value)))
		}
		r.MinUp = int(n)
	case "then":
		if !slices.Contains([]string{"abort", "cut", "keep"}, value) {
			return refusal(fmt.Sprintf("--then %q is not known: it is abort, cut or keep", safe(value)))
		}
		r.Then = value
	case "rate":
		r.Rate, err = strconv.ParseFloat(strings.TrimSuffix(value, "/s"), 64)
		if err != nil || r.Rate < 0 || r.Rate > 1e9 {
			return refusal(fmt.Sprintf("--rate %q is no rate: try 50/s", safe(value)))
		}
	case "reason":
		r.Reason = value
	case "service":
		r.Service = value
	case "backend":
		r.Backend = value
	case "client":
		r.Client = value
	default:
		return refusal("the console does not know --" + flag + " yet")
	}
	if err != nil {
		return refusal(fmt.Sprintf("--%s %q is no duration: try 5m, 90s or 05:00", flag, safe(value)))
	}
	return nil
}

// parseSpan reads 5m, 1h30m, 05:00 (minutes and seconds); "" is zero.
func parseSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	if m, sec, ok := strings.Cut(s, ":"); ok {
		a, err1 := strconv.ParseUint(m, 10, 16)
		b, err2 := strconv.ParseUint(sec, 10, 16)
		if err1 != nil || err2 != nil || b > 59 {
			return 0, fmt.Errorf("not minutes:seconds")
		}
		return time.Duration(a)*time.Minute + time.Duration(b)*time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("negative")
	}
	return d, err
}

// splitWords splits a line as a shell would: spaces, '…' and "…", \x.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	open, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, open = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == ' ' || r == '\t':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteRune(r)
			open = true
		}
	}
	if quote != 0 || escaped {
		return nil, refusal("a quote is not closed")
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
