package cluster

import (
	"fmt"
	"strings"
)

// describe says in words what an op requests.
func describe(b Batch, op Op) string {
	who := fmt.Sprintf("node %d", b.Node)
	name := op.Service
	switch op.Kind {
	case OpJoin:
		return fmt.Sprintf("%s joins %s with %d..%d", who, name, op.From, op.To)
	case OpDone:
		return fmt.Sprintf("%s ends %s %d", who, name, op.From)
	case OpRequeue:
		return fmt.Sprintf("%s requeues %s %d, token %d", who, name, op.From, op.Token)
	case OpAble:
		return fmt.Sprintf("%s is able to serve %s: %t", who, name, op.Flag)
	case OpReady:
		return fmt.Sprintf("%s has run the hook of %s token %d", who, name, op.Token)
	case OpPause:
		if op.Text != "" {
			return fmt.Sprintf("%s pauses %s/%s for %v", who, name, op.Text, op.Max)
		}
		return fmt.Sprintf("%s pauses %s for %v, window: %t", who, name, op.Max, op.Flag)
	case OpStep:
		return fmt.Sprintf("%s has %s at step %d", who, name, op.From)
	case OpResume:
		what := [...]string{"resumes %s", ReservePlace: "resumes %s and keeps its place", FreePlace: "gives up the place of %s"}[min(op.From, FreePlace)]
		return strings.Replace(who+" "+fmt.Sprintf(what, name), "node 0", "the leader", 1)
	case OpReport:
		return fmt.Sprintf("%s reports on %s: live %d, %d steps done", who, name, op.Counts.Live, op.From)
	case OpSlots:
		return fmt.Sprintf("%s sets %s to %d slots", who, name, op.From)
	case OpHooks:
		return fmt.Sprintf("%s sets the hook of %s to each %d, exclusive: %t", who, name, op.From, op.Flag)
	case OpBackend:
		return fmt.Sprintf("%s sets %s/%s to %s, weight %d", who, name, op.Text, op.State, op.From)
	case OpServe:
		return fmt.Sprintf("%s has %s: %t", who, name, op.Flag)
	case OpOrder:
		return fmt.Sprintf("%s has nodes share %s: %t", who, name, op.Flag)
	case OpLeave:
		return fmt.Sprintf("%s leaves the line of %s", who, name)
	case OpGive:
		return fmt.Sprintf("%s gives back %d of its share of %s, %d with a hook", who, op.From, name, op.To)
	case OpShare:
		return fmt.Sprintf("%s is given %d of %s under lease %d", who, op.From, name, op.To)
	case OpHello:
		return fmt.Sprintf("%s, start %d, asks for a lease after lease %d", who, op.From, op.To)
	case OpExpire:
		return fmt.Sprintf("lease %d of %s ends", op.To, who)
	case OpMember:
		return fmt.Sprintf("%s is a member, removed: %t", who, op.Flag)
	case OpForget:
		return fmt.Sprintf("the plan of %s is dropped", name)
	}
	return fmt.Sprintf("%s: op %d", who, op.Kind)
}
