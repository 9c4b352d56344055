package proxy

import "cmp"

// Operator is what tools of an operator need of an engine beyond one service: its
// plans, events and sessions, and acts on these. It is a value, valid as long as
// the engine, and may be used by any goroutine.
type Operator struct{ engine *Engine }

// Operator returns the Operator of the engine.
func (e *Engine) Operator() Operator { return Operator{e} }

// nameOf returns the name of an operator for a sentence; a program may give none.
func nameOf(by string) string { return cmp.Or(by, "an operator") }

// ServiceNames returns the names of all services, in the order of the
// configuration.
func (o Operator) ServiceNames() []string {
	var names []string
	for _, s := range o.engine.all() {
		names = append(names, s.name)
	}
	return names
}

// Services returns the state of all services now.
func (o Operator) Services() []ServiceInfo {
	infos := []ServiceInfo{}
	for _, s := range o.engine.all() {
		infos = append(infos, s.Info())
	}
	return infos
}

// Note adds an event to the engine's, and has it logged. It never waits. Seq
// is the engine's to set; a zero Time is now, and an empty Level LevelInfo.
func (o Operator) Note(ev Event) { o.engine.note(ev) }
