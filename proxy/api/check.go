package api

import (
	"cmp"
	"fmt"

	"github.com/tcpctl/tcpctl/proxy"
)

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
