package bundle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// masked replaces a secret in a text.
const masked = "(taken out)"

// shortest is the minimum length of words to mask: shorter words may have other meanings.
const shortest = 8

// words returns the words to mask for the secrets: each secret as a whole and in parts, plain and
// as in a JSON string. Words that the configuration shows elsewhere, such as the name of a service,
// are not masked.
func words(secrets []string, shown string) (all []string) {
	for _, secret := range secrets {
		for _, word := range append(strings.FieldsFunc(secret, apart), secret) {
			if len(word) < shortest || strings.Contains(shown, word) {
				continue
			}
			quoted, _ := json.Marshal(word)
			all = append(all, word, string(quoted[1:len(quoted)-1]))
		}
	}
	// Longest first, since others may be parts of these.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

// mask masks words in a text.
func mask(text []byte, words []string) []byte {
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, masked)
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(text)))
}

// apart reports whether a rune separates a secret from what introduces it: "--password=…", "AUTH
// …".
func apart(r rune) bool { return r <= ' ' || r == '=' }

var quotation = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// maskReload masks the values in an event that says what a reload has changed: the old ones are no
// longer in any configuration that could be fetched.
func maskReload(ev *proxy.Event) {
	if ev.Kind == proxy.EventOperator && strings.HasPrefix(ev.Text, "reload") {
		ev.Text = quotation.ReplaceAllString(ev.Text, `"`+masked+`"`)
	}
}
