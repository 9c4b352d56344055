package reference

import (
	"go/ast"
	"slices"
	"strings"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// hasOptions reports whether an object has the options of acts among its fields, which api.Options
// encodes in its own way.
func (s *source) hasOptions(name string) bool {
	d := s.types[name]
	st, ok := d.expr.(*ast.StructType)
	return ok && slices.ContainsFunc(st.Fields.List, func(f *ast.Field) bool {
		return len(f.Names) == 0 && s.name(d.pkg, f.Type) == "api.Options"
	})
}

// options returns the options of all acts, in the order of their first mention.
func options() (all []api.Param) {
	for i := range api.Acts {
		for _, p := range api.Acts[i].Params {
			if p.Key() != "" && !slices.ContainsFunc(all, func(other api.Param) bool { return other.Key() == p.Key() }) {
				all = append(all, p)
			}
		}
	}
	return all
}

// optionType returns the JSON type of an option: durations are in seconds, rates per second.
func optionType(p *api.Param) string {
	return map[api.Kind]string{api.KindSwitch: "boolean", api.KindText: "string", api.KindChoice: "string",
		api.KindDuration: "number", api.KindRate: "number", api.KindCount: "integer"}[p.Kind()]
}

func optionSchema(p *api.Param) object {
	v := object{"type": optionType(p), "description": optionHelp(p)}
	if len(p.Choices) > 0 {
		v["enum"] = p.Choices
	}
	return v
}

func optionHelp(p *api.Param) string { return sentence(strings.ReplaceAll(p.Help, "`", "")) }
