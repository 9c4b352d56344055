package proxy

// Operator is what an operator's tools ask of an engine beyond one service:
// its plans, its events, its sessions, and acts on these. It is a value, good
// for as long as the engine, and may be used from any goroutine.
type Operator struct{ engine *Engine }

// Operator gives access to the engine as operators' tools have it.
func (e *Engine) Operator() Operator { return Operator{e} }

// ServiceNames are the names of all services, in the order of the
// configuration.
func (o Operator) ServiceNames() []string {
	var names []string
	for _, s := range o.engine.all() {
		names = append(names, s.name)
	}
	return names
}

// Services is every service at this moment.
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
