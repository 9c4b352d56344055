package config

import "strings"

// later is what the file may say one day and the engine cannot do yet: by
// pattern of a path, with * for any name or number, and for one value of an
// enumeration with that value. A table is refused when it is there, a key
// when it has another value than its default. To make one real, take its line
// out here and pass its values on in proxy.go.
var later = map[string]bool{
	"services.*.backends.*.tls":        true,
	"services.*.backends.*.tls_verify": true,
	"services.*.backends.*.tls_name":   true,
	"services.*.backends.*.ca":         true,
}

// refuse reports every key that f uses and that this version does not have yet.
func (f *File) refuse(r *report, notYet map[string]bool) {
	refused := "" // a table, whose keys need not be reported as well
	for _, l := range f.unusual() {
		value := strings.Trim(l.text, `"`)
		switch {
		case refused != "" && strings.HasPrefix(l.path, refused+"."):
		case notYet[l.pattern+"="+value]:
			r.wrong(l.path, "take it out", "%s = %q is not in this version yet", last(l.path), value)
		case notYet[l.pattern]:
			if l.table {
				refused = l.path
			}
			r.wrong(l.path, "take it out", "%q is not in this version yet", last(l.path))
		}
	}
}
