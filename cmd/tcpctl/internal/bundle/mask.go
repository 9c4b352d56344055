package bundle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy"
)

// masked stands for a secret in a text.
const masked = "(taken out)"

// shortest is the least length of what is taken out of texts: shorter words are
// those of other things, too.
const shortest = 8

// words are what is taken out of texts for the secrets: each as a whole and in
// its parts, as it is and as it stands in a JSON string. What the configuration
// shows elsewhere, such as the name of a service, is none.
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
	// The longest first, of which others may be parts.
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

// mask takes words out of a text.
func mask(text []byte, words []string) []byte {
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, masked)
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(text)))
}

// apart says whether a letter parts a secret from what introduces it:
// "--password=…", "AUTH …".
func apart(r rune) bool { return r <= ' ' || r == '=' }

var quotation = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// maskReload takes values out of an event that says what a reload has changed:
// those of before are in no configuration that could still be asked for.
func maskReload(ev *proxy.Event) {
	if ev.Kind == proxy.EventOperator && strings.HasPrefix(ev.Text, "reload") {
		ev.Text = quotation.ReplaceAllString(ev.Text, `"`+masked+`"`)
	}
}
