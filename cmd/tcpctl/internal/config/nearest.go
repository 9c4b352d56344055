package config

import (
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// suggest says which name was probably meant, or lists the valid ones.
func suggest(name string, names []string) string {
	if n := text.Nearest(name, names); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return "it is one of " + strings.Join(names, ", ")
}
