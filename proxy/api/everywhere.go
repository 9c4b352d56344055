package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"
)

// Outcome is the outcome of a request to one node.
type Outcome string

// Outcomes. Unknown means that the node was not reached, or that no answer came
// back: its events show what it did.
const (
	OutcomeDone    Outcome = "done"
	OutcomeRefused Outcome = "refused"
	OutcomeUnknown Outcome = "unknown"
)

// Member is a node that gets the requests for all nodes: this node or a member of
// its mesh.
type Member struct {
	Node        string `json:"node"` // label of the node
	ID          string `json:"id,omitempty"`
	Addr        string `json:"addr,omitempty"`
	here        bool
	unreachable string
}

// Answer is the answer of one node to a request for all nodes.
type Answer[T any] struct {
	Member
	Outcome Outcome
	Result  T
	Error   *Error // why it was not done; nil: done
}

// MarshalJSON puts the fields of Error beside the node instead of a level below.
func (a Answer[T]) MarshalJSON() ([]byte, error) {
	out := struct {
		Member
		Outcome Outcome `json:"outcome"`
		Result  T       `json:"result,omitzero"`
		Error   any     `json:"error,omitempty"`
	}{a.Member, a.Outcome, a.Result, nil}
	if a.Error != nil {
		out.Error = a.Error.body().Error
	}
	return json.Marshal(out)
}

// PeerAnswer is the answer to an act.
type PeerAnswer = Answer[Result]

// Here reports whether this is the node that was asked.
func (m Member) Here() bool { return m.here }

// Unreachable returns why the node cannot be reached now; "" if it can.
func (m Member) Unreachable() string { return m.unreachable }

// Members returns this node and the members of its mesh.
func Members(ctx context.Context, self Source) ([]Member, error) {
	st, err := self.Status(ctx)
	if err != nil {
		return nil, err
	}
	return members(st)
}

// members returns the members in a status.
func members(st *Status) ([]Member, error) {
	m := st.Mesh
	switch {
	case m == nil:
		return nil, NoMesh()
	case !m.Secret:
		return nil, NoSecret()
	}
	all := []Member{{Node: cmp.Or(m.Label, st.Node.Name), ID: m.ID, Addr: m.oneAddr(), here: true}}
	now := st.Node.Now
	if now.IsZero() {
		now = time.Now()
	}
	for _, p := range m.Members() {
		all = append(all, Member{Node: p.Called(), ID: p.ID, Addr: p.Addr, unreachable: p.Unreachable(now)})
	}
	return all, nil
}

// NoMesh returns the error of --peer without a mesh.
func NoMesh() *Error {
	return Wrong("this instance is in no mesh: there are no other nodes", "give its configuration a [mesh] table with a name")
}

// NoSecret returns the error of an act through a mesh without a secret.
func NoSecret() *Error {
	return Refused("a mesh without a secret does not carry requests to other nodes", "give each node the same secret_file: tcpctl mesh key makes one")
}

// AskAtOnce is how many nodes are asked at a time; one connection of the control
// socket carries at most 250 requests.
const AskAtOnce = 200

// AskAll asks this node and each member of its mesh concurrently, by id, and
// returns their answers, this node's first. An unresponsive node takes until ctx
// is done, but delays no other node, unless AskAtOnce nodes are unresponsive. A
// node that is unreachable now is not asked later.
func AskAll[T any](ctx context.Context, self Source, peers func(id string) Source, ask func(context.Context, Source) (T, error)) ([]Answer[T], error) {
	return askSome(ctx, self, peers, func(string) func(context.Context, Source) (T, error) { return ask })
}

// askSome is AskAll with a function for each node, by its label; a node for which it is
// nil is not asked.
func askSome[T any](ctx context.Context, self Source, peers func(string) Source, of func(node string) func(context.Context, Source) (T, error)) ([]Answer[T], error) {
	nodes, err := Members(ctx, self)
	if err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(nodes, func(m Member) bool { return of(m.Node) == nil })
	all := make([]Answer[T], len(nodes))
	var wg sync.WaitGroup
	room := make(chan struct{}, AskAtOnce)
	for i := range all {
		a := &all[i]
		a.Member = nodes[i]
		if a.unreachable != "" {
			a.Outcome, a.Error = OutcomeUnknown, Unreachable(a.unreachable, "nothing was sent to it")
			continue
		}
		src := self
		if !a.here {
			src = peers(a.ID)
		}
		room <- struct{}{}
		wg.Go(func() {
			var err error
			a.Result, err = of(a.Node)(ctx, src)
			a.Outcome, a.Error = outcomeOf(err, a.here)
			<-room
		})
	}
	wg.Wait()
	return all, nil
}

// outcomeOf classifies a result. Over the network everything except an answer leaves
// the outcome open.
func outcomeOf(err error, here bool) (Outcome, *Error) {
	var e *Error
	switch {
	case err == nil:
		return OutcomeDone, nil
	case errors.As(err, &e) && e.Status != StatusUnreachable && e.Status != StatusNoAnswer:
		return OutcomeRefused, e
	case e != nil:
		return OutcomeUnknown, e
	case here && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		return OutcomeRefused, AsError(err)
	case errors.Is(err, context.DeadlineExceeded):
		return OutcomeUnknown, NoAnswer("no answer in time")
	}
	return OutcomeUnknown, NoAnswer(err.Error())
}

// DoOnEach performs a request for each node, by label, on this node and all
// members; nodes without a request are skipped.
func DoOnEach(ctx context.Context, self Source, peers func(id string) Source, of func(node string) *Request) ([]PeerAnswer, error) {
	return askSome(ctx, self, peers, func(node string) func(context.Context, Source) (Result, error) {
		r := of(node)
		if r == nil {
			return nil
		}
		return func(ctx context.Context, src Source) (Result, error) { return src.Do(ctx, *r) }
	})
}
