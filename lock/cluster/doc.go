// Package cluster is one lock over several nodes: so many slots, one queue in the
// order of arrival, tokens that only grow, and pauses that hold on each node.
//
// It decides and does nothing else: it opens no socket or file, reads no clock,
// starts no goroutine and takes no lock. Each call is given the time and leaves
// what has to be sent where Ready returns it, so that a whole cluster runs in one
// goroutine of a test, with each fault at a moment that a seed names.
//
//   - A [State] is what the voters replicate: entries in, grants out.
//   - An [Agent] is a node's side: it says who waits there, and renews its lease.
//   - A [Leader] collects what agents say into entries, and ends leases.
//   - A [Voter] joins State and Leader to a [Log], on which the voters agree.
//
// A client's way through an Agent: WaitingUpTo says that it waits, and each call of
// Tick and Step may lead to Requests, which are sent to a voter, whose answers are
// given to Step. Where Ready names the service in Ask, Admit takes the slot or says
// why there is none yet, and Done gives it back. A service has no slots before a
// node with a lease has said how many, by Act with OpSlots.
//
// DESIGN.md has the reasons. A value of this package belongs to one goroutine.
package cluster
