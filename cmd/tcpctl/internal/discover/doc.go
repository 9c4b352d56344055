// Package discover keeps sets of backends that change: it asks a source (DNS, Consul, a program, a
// file) for backends, and decides how a service's backends change.
//
//	Spec ──▶ source.ask ──▶ Set.Answer / Set.Fail ──▶ publish
//	         (thin, does I/O)  (pure: old set, answer, now)   (the engine)
//
// The rules are rule 40 of proxy/RULES.md. In short: a name that an answer
// leaves out is removed, unless the answer leaves out more than half of the
// set, or all of it: then the names stay until answers have left them out for
// the whole of Spec.Hold. A source that fails changes nothing.
//
// A Manager owns one goroutine for each source; Close ends and awaits them.
package discover
