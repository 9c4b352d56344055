package api

import (
	"context"
	"fmt"

	"github.com/tcpctl/tcpctl/proxy"
)

// undo returns the request that reverts r, until its target changes.
func (l *Local) undo(before *Status, a *Act, r Request) *Request {
	if a.Undo == "" || len(r.Targets) != 1 {
		return nil
	}
	after, err := l.Status(context.Background())
	if err != nil {
		return nil
	}
	u := &Request{Act: a.Undo, Targets: r.Targets, Options: Options{Reason: "undo " + a.Name, Save: r.Save, Here: r.Here}}
	switch a.Name {
	case "weight":
		u.Args = []string{fmt.Sprint(before.Backend(r.Targets[0]).Weight)}
		u.Force = true // the state existed before
	case "drain", "maint":
		if admin := before.Backend(r.Targets[0]).Admin; admin != proxy.AdminReady {
			u.Act = admin // from drain to maint, or vice versa
			if admin == proxy.AdminDrain {
				u.Act = "drain"
			}
			u.Force = true
		}
	}
	u.Expect = Stamp(after, a, r.Targets[0])
	return u
}

// Stamp returns the version of a target for Request.Expect. It changes with each
// act on the target.
func Stamp(s *Status, a *Act, target string) string {
	switch a.On {
	case OnBackend:
		if b := s.Backend(target); b != nil {
			return fmt.Sprint(b.Admin, b.Weight, b.Since.UnixNano())
		}
	case OnService:
		if svc := s.Service(target); svc != nil {
			stamp := svc.State == proxy.StateClosed
			if svc.Pause != nil {
				return fmt.Sprint(stamp, svc.Pause.Owner, svc.Pause.Since.UnixNano())
			}
			return fmt.Sprint(stamp)
		}
	}
	return ""
}
