package reference

import (
	"fmt"
	"strings"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
)

// shown returns a path as an operator writes its table, with NAME for a name.
func shown(path string) string {
	path = strings.Replace(path, "backends.*", "backends[]", 1)
	return strings.Replace(path, "services.*", "services.NAME", 1)
}

// meaning returns what a key is for, from init.toml or the Go comment.
func (s *source) meaning(k *config.Key) (string, error) {
	if k.Text != "" { // the choices are shown separately
		return strings.TrimSuffix(k.Text, ": "+strings.Join(k.Choices, " | ")), nil
	}
	all, err := s.members("config." + k.Owner)
	if err != nil {
		return "", err
	}
	for _, m := range all {
		if m.name == k.Field && m.doc != "" {
			return m.doc, nil
		}
	}
	if k.Optional || k.Default == "" { // a table: its type's comment
		if d := s.types["config."+k.Field]; d != nil {
			return d.doc, nil
		}
	}
	return "", fmt.Errorf("nothing says what %s is: write a comment behind it in init.toml, or on %s.%s", k.Path, k.Owner, k.Field)
}

func (s *source) configuration() ([]byte, error) {
	m := newMarkdown("Configuration", "Every key of tcpctl's configuration file, which is [TOML](https://toml.io). `tcpctl init` prints a file to start from, "+
		"`tcpctl check -c FILE` checks one, `tcpctl reload` applies changes to a running instance without losing a session, and `tcpctl check --diff` shows what a reload would change. "+
		"With [config.schema.json](config.schema.json), editors complete and check keys: write `#:schema PATH` in the first line.")
	m.text("Values: a *duration* is \"250ms\", \"30s\", \"2m\", \"1h30m\" or \"30d\", and \"0s\" is off; a *size* is \"512B\", \"64KiB\" or \"10MB\"; a *rate* is \"50/s\", \"3/m\" or \"100/h\"; " +
		"*bytes a second* is \"10MiB/s\"; a *network* is \"10.0.0.0/8\" or one address; an *address* is \"host:port\" or \"unix:/path\"; a relative *path* starts at the configuration file's folder; " +
		"a *command* is a list of arguments, run without a shell; a *file mode* is octal, like \"0600\".")
	keys := config.Keys()
	n := 0
	for i := range keys {
		if !isTable(&keys[i]) {
			n++
		}
	}
	m.text(fmt.Sprintf("There are %d keys. All exist since 0.1.0 unless another version is named.", n))
	var rows [][]string
	flush := func() {
		m.table([]string{"Key", "Type", "Default", "Meaning", "Example"}, rows)
		rows = nil
	}
	at := ""
	for _, k := range ordered(keys) {
		text, err := s.meaning(&k)
		if err != nil {
			return nil, err
		}
		if isTable(&k) {
			if k.Kind == config.KindKeys || k.Kind == config.KindBackends {
				rows = append(rows, []string{code(last("." + k.Path)), string(k.Kind), "", sentence(text), ""})
			}
			continue
		}
		table := k.Path[:strings.LastIndexByte("."+k.Path, '.')]
		table = strings.TrimSuffix(table, ".")
		if table != at {
			flush()
			at = table
			m.heading(2, code("["+shown(table)+"]"))
			m.text(s.tableText(keys, table))
		}
		rows = append(rows, keyRow(&k, text))
	}
	flush()
	return m.Bytes(), nil
}

// keyRow returns the table row of one key.
func keyRow(k *config.Key, text string) []string {
	kind := string(k.Kind)
	if allowed := k.Allowed(); allowed != "" {
		kind += ": " + allowed
	}
	def := code(k.Default)
	if k.Default == "" {
		def = "from `[defaults]`"
	}
	text = sentence(text)
	if k.Since != "0.1.0" {
		text += " Since " + k.Since + "."
	}
	return []string{code(last("." + k.Path)), kind, def, text, code(k.Example)}
}

// tableText returns what a table is for.
func (s *source) tableText(keys []config.Key, path string) string {
	switch path {
	case "services.*":
		return "One service: its listen addresses and its backends. It may also have any key of `[defaults]`."
	case "services.*.backends.*":
		return "One backend; `backends` is a list of such tables or of addresses."
	}
	for i := range keys {
		if keys[i].Path == path {
			text, err := s.meaning(&keys[i])
			if err != nil {
				return ""
			}
			text = sentence(text)
			if keys[i].Optional {
				text += " The presence of the table enables it."
			}
			return text
		}
	}
	return ""
}

func isTable(k *config.Key) bool {
	return k.Optional || k.Kind == config.KindTable || k.Kind == config.KindTables || k.Kind == config.KindBackends || k.Kind == config.KindKeys
}

// ordered groups the keys by table, each table before those below it.
func ordered(keys []config.Key) (all []config.Key) {
	var tables []string
	of := map[string][]config.Key{}
	for _, k := range keys {
		table := strings.TrimSuffix(k.Path[:strings.LastIndexByte("."+k.Path, '.')], ".")
		if of[table] == nil {
			tables = append(tables, table)
		}
		of[table] = append(of[table], k)
	}
	for _, t := range tables {
		all = append(all, of[t]...)
	}
	return all
}
