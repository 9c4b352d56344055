package tui

import (
	"cmp"
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/tui/internal/screen"
)

// troublesOf returns what is wrong according to the newest status, worst first.
func troublesOf(f *frame, h *hogs) (list []trouble) {
	for i := range f.stats.status.Services {
		s := &f.stats.status.Services[i]
		list = append(list, serviceTroubles(f, s)...)
		for j := range s.Backends {
			if t, ok := backendTrouble(f, s, &s.Backends[j]); ok {
				list = append(list, t)
			}
		}
	}
	if plan := f.stats.plan(); plan != nil && plan.State == proxy.PlanPaused {
		list = append(list, trouble{kind: troublePlan, id: "plan " + plan.ID, name: screen.Safe(plan.Service), state: "HELD", pane: panePlan, at: plan.Service, key: "plan_pause", verb: "next",
			text: fmt.Sprintf("%s stands before step %d of %d, by %s", screen.Safe(plan.Kind), min(stepsDone(plan)+1, len(plan.Steps)), len(plan.Steps), screen.Safe(operatorName(plan.Owner)))})
	}
	list = append(list, h.troubles(f)...)
	list = append(list, nodeTroubles(f)...)
	list = append(list, clusterTroubles(f)...)
	list = append(list, certificateTroubles(f)...)
	less := byService(f)
	sort.SliceStable(list, func(i, j int) bool { return less(&list[i], &list[j]) < 0 })
	return list
}

// backendTrouble returns what is wrong with a backend: it is down, about to be, or draining.
func backendTrouble(f *frame, s *proxy.ServiceInfo, b *proxy.BackendInfo) (trouble, bool) {
	target := s.Name + "/" + b.Name
	t := trouble{name: shortTarget(s.Name, b.Name), pane: paneBackends, row: target, at: s.Name}
	sign := backendSign(b)
	switch {
	case sign == signEject && b.Ejected != nil:
		t.kind, t.state = troubleEjected, sign.word+" "+age(f.ago(b.Since))
		t.text = fmt.Sprintf("%s; %s", screen.Safe(b.Ejected.Text(f.stats.now())), upText(s))
	case sign == signDown || sign == signError:
		t.kind, t.state = troubleDown, sign.word+" "+age(f.ago(b.Since))
		why := screen.Safe(b.Reason)
		if c := b.Check; c != nil && !c.OK {
			why = fmt.Sprintf("%s %d/%d", failureText(c.Detail), min(c.Consecutive, c.Threshold), c.Threshold)
		}
		t.text = fmt.Sprintf("%s, since %s; %s", why, f.timeOf(b.Since), upText(s))
		t.brief = why + "; " + upText(s)
	case (sign == signUp || sign == signIdle || sign == signCheck) && isFailing(b):
		t.kind, t.state = troubleFailing, "FAILING"
		t.text = fmt.Sprintf("%s, %d of %d checks failed; %s", failureText(b.Check.Detail), min(b.Check.Consecutive, b.Check.Threshold), b.Check.Threshold, upText(s))
		t.brief = fmt.Sprintf("%s %d/%d; %s", failureText(b.Check.Detail), min(b.Check.Consecutive, b.Check.Threshold), b.Check.Threshold, upText(s))
	case b.Drain != nil && b.Drain.Remaining > 0:
		d := b.Drain
		t.kind, t.state = troubleDrain, "DRAIN"
		eta := ", eta " + strings.TrimPrefix(etaText(f, target), "~")
		if d.Until != nil {
			eta += ", limit "
			t.brief = fmt.Sprintf("%d/%d%s%s", d.Remaining, d.StartedWith, eta, screen.Clock(d.Until.Sub(f.stats.now())))
			eta += limitText(f, d)
		}
		t.text = fmt.Sprintf("%d of %d remaining%s", d.Remaining, d.StartedWith, eta)
		t.brief = cmp.Or(t.brief, t.text)
		if d.By != "" {
			t.text += " by " + screen.Safe(operatorName(d.By)) + cutReason(d.Reason)
		}
	default:
		return t, false
	}
	t.id = fmt.Sprintf("%d %s %d", t.kind, target, b.Since.Unix())
	return t, true
}

func upText(s *proxy.ServiceInfo) string {
	n := 0
	for i := range s.Backends {
		if sg := backendSign(&s.Backends[i]); sg == signUp || sg == signIdle {
			n++
		}
	}
	return fmt.Sprintf("%d of %d up", n, len(s.Backends))
}

// serviceTroubles returns what is wrong with a service itself.
func serviceTroubles(f *frame, s *proxy.ServiceInfo) (list []trouble) {
	add := func(t trouble) {
		t.name, t.at = screen.Safe(s.Name), s.Name
		if t.id == "" {
			t.id = fmt.Sprintf("%d %s", t.kind, s.Name)
		}
		list = append(list, t)
	}
	if s.State == proxy.StateClosed && !s.Removing {
		add(trouble{kind: troubleDown, state: "CLOSED", pane: paneBackends, row: s.Name, text: "its listeners are closed: new clients are refused"})
	}
	if p := s.Pause; p != nil {
		word := strings.ToUpper(s.State)
		by, why, held := "by "+screen.Safe(operatorName(p.Owner)), cutReason(p.Reason), fmt.Sprintf(", %d held", p.Held)
		opens, brief := fmt.Sprintf(", opens %s (%s)", f.timeOf(p.Until), screen.Clock(p.Until.Sub(f.stats.now()))), ", opens in "+screen.Clock(p.Until.Sub(f.stats.now()))
		if p.Overdue {
			opens = ", overdue since " + f.timeOf(p.Until)
			brief = opens
		}
		add(trouble{kind: troublePaused, id: fmt.Sprintf("pause %s %d", s.Name, p.Since.Unix()), state: word, pane: paneQueue,
			text: by + why + opens + held, brief: by + brief + held + why, key: "pause", verb: "resume"})
	}
	if h := s.Hook; h != nil && h.Failed > 0 {
		add(trouble{kind: troubleHook, state: "HOOK", pane: paneBackends, row: s.Name, text: strings.TrimPrefix(screen.Safe(h.Text(f.stats.now())), "! ")})
	}
	for i := range s.Discovery {
		d := &s.Discovery[i]
		if text, wrong := strings.CutPrefix(screen.Safe(d.Text(f.stats.now())), warnSign); wrong {
			add(trouble{kind: troubleSource, id: "source " + s.Name + " " + d.Name, state: "SOURCE", pane: paneBackends, row: s.Name, text: text})
		}
	}
	if s.Pause == nil && s.Queue.Waiting > 0 && screen.Seconds(s.Queue.OldestSeconds) >= queueOld {
		add(queueTrouble(s))
	}
	return list
}

// queueTrouble says how old a queue is, and what it waits for. If that is a session that holds the
// slot, the action is to kick it.
func queueTrouble(s *proxy.ServiceInfo) trouble {
	t := trouble{kind: troubleQueue, state: "QUEUE " + screen.Count(float64(s.Queue.Waiting)), pane: paneQueue}
	oldest := "oldest " + screen.Clock(screen.Seconds(s.Queue.OldestSeconds)) + ", "
	t.text = strings.TrimSuffix(oldest, ", ")
	switch l := s.Lock; {
	case l != nil && len(l.Holders) > 0:
		h := &l.Holders[0]
		who, id := screen.Safe(hostOf(h.Client)), screen.Safe(h.ID)
		t.text = oldest + "slot " + heldText(l, h) + " by " + who + " " + id
		t.brief = oldest + strings.TrimPrefix(heldText(l, h), "held ") + " by "
		t.least = t.brief + id // the beginning of an address tells nothing
		t.brief += who
		t.key, t.verb, t.kick = "kick", "kick holder", h.ID
	case s.Reason != "":
		t.text = oldest + reasonText(s.Reason)
	}
	return t
}

// nodeTroubles returns the nodes that were lost, but not those that departed.
func nodeTroubles(f *frame) (list []trouble) {
	if f.mesh() == nil {
		return nil
	}
	for i := range f.mesh().Peers {
		p := &f.mesh().Peers[i]
		if p.State != meshinfo.Down || p.Cause == meshinfo.Departed || p.Stranger() {
			continue
		}
		text := strings.Trim(causeText(p), " ()")
		list = append(list, trouble{kind: troubleNode, id: fmt.Sprintf("node %s %d", p.ID, p.Since.Unix()), name: screen.Safe(p.Called()),
			state: "LOST " + age(f.ago(p.Since)), pane: panePeers, row: p.ID + " " + p.Called(),
			text: strings.TrimPrefix(text+", since "+f.timeOf(p.Since), ", ")})
	}
	return list
}

// certificateTroubles returns the certificates that have expired or soon will.
func certificateTroubles(f *frame) (list []trouble) {
	now := f.stats.now()
	for i := range f.stats.status.Certificates {
		c := &f.stats.status.Certificates[i]
		if !c.Near(now) {
			continue
		}
		t := trouble{kind: troubleCertificate, id: fmt.Sprintf("certificate %s %d", c.Name, c.NotAfter.Unix()), name: screen.Safe(c.Name), at: c.Name,
			state: "CERT " + age(c.NotAfter.Sub(now)), text: "expires " + f.dated(c.NotAfter), pane: paneBackends, row: c.Name}
		if c.Expired(now) {
			t.kind, t.id = troubleExpired, "expired "+t.id
			t.state, t.text = "EXPIRED "+age(now.Sub(c.NotAfter)), "clients refuse it since "+f.dated(c.NotAfter)
		}
		t.brief = t.text + ": renew " + screen.Safe(filepath.Base(c.File))
		t.text += ": renew " + screen.Safe(c.File)
		list = append(list, t)
	}
	return list
}

// shortTarget names a backend with its service, unless its own name begins with that.
func shortTarget(service, backend string) string {
	if strings.HasPrefix(backend, service) {
		return screen.Safe(backend)
	}
	return screen.Safe(service + "/" + backend)
}

// hostOf returns the host of a client's address.
func hostOf(client string) string {
	if i := strings.LastIndexByte(client, ':'); i > 0 {
		return strings.Trim(client[:i], "[]")
	}
	return client
}
