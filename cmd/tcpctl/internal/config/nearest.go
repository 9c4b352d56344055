package config

import (
	"strconv"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/text"
)

// suggest says what was probably meant by a name, or which there are.
func suggest(name string, names []string) string {
	if n := text.Nearest(name, names); n != "" {
		return "did you mean " + strconv.Quote(n) + "?"
	}
	if len(names) == 0 {
		return ""
	}
	return "it is one of " + strings.Join(names, ", ")
}
