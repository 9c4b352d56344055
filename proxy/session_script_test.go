package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tcpctl/tcpctl/proxy/health"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// script is a Runner that waits for nothing: a test chooses the steps of its one
// session, among those that a real runner could take now. It fails the test if the
// session makes a forbidden call.
type script struct {
	*testing.T
	engine  *Engine
	service *Service
	session *Session
	records []Record

	mu    sync.Mutex
	inbox []relay.Event // posted, or returned by the functions of Do

	do       []func() relay.Event
	dialling bool
	aborted  bool
	watching bool
	clientIs relay.End // the last end of the watched client
	relaying bool
	quiet    *relay.Side // asked to end at a quiet moment
	ends     int         // reported by the relay
	timer    time.Duration
	sides    map[*relay.Side]string
	ended    map[*relay.Side]bool
	closed   map[*relay.Side]bool
	done     int
}

func (r *script) Name() string                             { return "script" }
func (r *script) Serve(*relay.Listener, func(*relay.Side)) {}
func (r *script) Shutdown()                                {}
func (r *script) Begin(t relay.Task, client *relay.Side) {
	r.session = t.(*Session)
	r.step(relay.Event{})
}
func (r *script) step(ev relay.Event)                    { r.session.Step(ev) }
func (r *script) Do(_ relay.Task, f func() relay.Event)  { r.do = append(r.do, f) }
func (r *script) SetTimer(_ relay.Task, d time.Duration) { r.live("SetTimer"); r.timer = d }
func (r *script) Watch(_ relay.Task, side *relay.Side)   { r.live("Watch"); r.watching = !r.closed[side] }
func (r *script) Done(relay.Task)                        { r.done++ }
func (r *script) Post(_ relay.Task, ev relay.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inbox = append(r.inbox, ev)
}

// live fails the test if the session is already done.
func (r *script) live(what string) {
	if r.done > 0 {
		r.Errorf("%s after Done", what)
	}
}

func (r *script) Dial(_ relay.Task, d relay.Dial) {
	r.live("Dial")
	if r.dialling || r.relaying {
		r.Error("a second dial")
	}
	if r.session.ending != nil {
		r.Errorf("a dial by an ending session: %+v", r.session.ending)
	}
	r.dialling, r.aborted = true, false
}

func (r *script) Abort(relay.Task) {
	if !r.dialling {
		r.Error("there is no dial to abort")
	}
	r.aborted = true
}

func (r *script) Relay(_ relay.Task, client, backend *relay.Side) {
	r.live("Relay")
	if r.relaying || r.closed[client] || r.closed[backend] {
		r.Errorf("it relays twice, or closed sides")
	}
	r.relaying, r.watching = true, false
}

func (r *script) EndQuiet(_ relay.Task, side *relay.Side, _ time.Duration) {
	r.live("EndQuiet")
	if !r.relaying || r.ended[side] || r.closed[side] {
		r.Errorf("it asks for the end of a side that does not relay")
	}
	r.quiet = side
}

func (r *script) Close(side *relay.Side, reset bool) {
	r.closed[side] = true
	if r.sides[side] == "client" {
		r.watching = false
	}
}

// nowhere is a connection that is never read: the script determines what happens.
type nowhere struct {
	net.Conn
	at net.TCPAddr
}

func (c *nowhere) RemoteAddr() net.Addr            { return &c.at }
func (c *nowhere) LocalAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *nowhere) Write(b []byte) (int, error)     { return len(b), nil }
func (c *nowhere) Close() error                    { return nil }
func (c *nowhere) SetReadDeadline(time.Time) error { return nil }

// noClients is a listener to which no client comes.
type noClients struct{ closed chan struct{} }

func (l *noClients) Accept() (net.Conn, error) { <-l.closed; return nil, net.ErrClosed }
func (l *noClients) Close() error              { close(l.closed); return nil }
func (l *noClients) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (r *script) side(name string, port int) *relay.Side {
	s := relay.NewSide(&nowhere{at: net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port}})
	r.sides[s] = name
	return s
}

// play runs a session of a service with two backends in a synctest bubble, and test
// steps it. Nothing else runs.
func play(t *testing.T, c ServiceConfig, test func(r *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &script{T: t, timer: -1, sides: map[*relay.Side]string{}, ended: map[*relay.Side]bool{}, closed: map[*relay.Side]bool{}}
		c.Name, c.Relay, c.Check.Type, c.Balance = "db", "stream", health.None, "first"
		c.Listeners = []net.Listener{&noClients{make(chan struct{})}}
		c.Backends = []BackendConfig{{Name: "a", Addr: "192.0.2.8:1"}, {Name: "b", Addr: "192.0.2.9:1"}}
		e, err := New(Config{Services: []ServiceConfig{c}, OnRecord: func(rec Record) { r.records = append(r.records, rec) }})
		if err != nil {
			t.Fatal(err)
		}
		r.engine, r.service = e, e.services[0]
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		defer func() {
			if t.Failed() && r.done == 0 { // Close would wait for it
				r.service.live.remove(r.session, func() {})
			}
			e.Close()
		}()
		test(r)
	})
}

// come makes the client arrive.
func (r *script) come() {
	r.service.share.Acquire()
	r.service.beginSession(r, r.side("client", 4000), nil)
}

// move is one event that is possible now.
type move struct {
	name string
	do   func()
}

// moves returns all steps that a runner can take with the session now, and all acts of
// others.
func (r *script) moves() (all []move) {
	add := func(name string, do func()) { all = append(all, move{name, do}) }
	event := func(name string, ev relay.Event, more func()) {
		add(name, func() {
			if more != nil {
				more()
			}
			r.step(ev)
		})
	}
	r.mu.Lock()
	posted := len(r.inbox)
	r.mu.Unlock()
	if posted > 0 {
		add("delivered", r.deliver)
	}
	if len(r.do) > 0 {
		add("done", r.runOne)
	}
	if r.dialling {
		over := func() { r.dialling = false }
		event("refused", relay.Event{Kind: relay.Failed, Err: errors.New("connection refused")}, over)
		event("no port", relay.Event{Kind: relay.Failed, Err: &net.OpError{Op: "dial", Err: errNoPort}}, over)
		add("connected", func() {
			r.dialling = false
			r.step(relay.Event{Kind: relay.Connected, Side: r.side("backend", 1)})
		})
	}
	if r.watching && r.done == 0 {
		for _, end := range []relay.End{relay.HalfFIN, relay.FIN, relay.Reset} {
			if end > r.clientIs && r.clientIs != relay.Reset || end == relay.FIN && r.clientIs == relay.HalfFIN {
				event("waiting client "+end.String(), relay.Event{Kind: relay.PeerClosed, End: end}, func() { r.clientIs = end })
			}
		}
	}
	if r.relaying {
		for _, side := range []*relay.Side{r.session.client, r.session.server} {
			for _, end := range r.relayEnds(side) {
				add(r.sides[side]+" "+end.String(), func() {
					r.ended[side] = true
					r.ends++
					r.relaying = r.ends < 2
					r.step(relay.Event{Kind: relay.Ended, Side: side, End: end, Last: r.ends == 2})
				})
			}
		}
	}
	if r.timer >= 0 && r.done == 0 {
		add("timer", func() {
			time.Sleep(r.timer)
			synctest.Wait()
			r.timer = -1
			r.step(relay.Event{Kind: relay.Timer})
		})
	}
	return all
}

// relayEnds returns the ends that a side can have now.
func (r *script) relayEnds(side *relay.Side) []relay.End {
	switch {
	case r.ended[side]:
		return nil
	case r.closed[side]:
		return []relay.End{relay.Closed}
	}
	ends := []relay.End{relay.FIN, relay.Reset, relay.Gone}
	if side == r.quiet {
		ends = append(ends, relay.Quiet)
	}
	return ends
}

func (r *script) deliver() {
	r.mu.Lock()
	ev := r.inbox[0]
	r.inbox = r.inbox[1:]
	r.mu.Unlock()
	if r.done == 0 {
		r.step(ev)
	}
}

func (r *script) runOne() {
	f := r.do[0]
	r.do = r.do[1:]
	r.Post(r.session, f())
}

// acts returns what others can do to the session and its service.
func (r *script) acts() []move {
	s, signal := r.service, func(o endRequest) func() {
		return func() { r.Post(r.session, relay.Event{Kind: relay.Signal, Arg: o}) }
	}
	health := func(up bool) func() {
		return func() {
			s.queue.Update(func() {
				for _, b := range s.backends.all {
					for range 3 {
						b.tracker.Add(up)
					}
				}
			})
		}
	}
	return []move{
		{"kicked", func() { r.engine.Operator().Kick("ana", "", r.session.ID()) }},
		{"told to end if live", signal(endRequest{by: ByOperator, reason: ReasonDrainLimit, live: true})},
		{"told to end at b", signal(endRequest{by: ByProxy, reason: ReasonBackendDown, on: s.backends.all[1]})},
		{"paused", func() { s.Pause(PauseOptions{By: "ana"}) }},
		{"resumed", func() { s.Resume(ResumeOptions{By: "ana"}) }},
		{"drained", func() { s.backends.all[0].Drain(DrainOptions{By: "ana"}) }},
		{"drained when quiet", func() { s.backends.all[0].Drain(DrainOptions{By: "ana", Quiet: 100 * time.Millisecond}) }},
		{"paused when quiet", func() { s.Pause(PauseOptions{By: "ana", Quiet: 100 * time.Millisecond}) }},
		{"ready", func() { s.backends.all[0].Ready("ana", "") }},
		{"down", health(false)},
		{"up", health(true)},
		{"time passes", func() { time.Sleep(time.Second); synctest.Wait() }},
	}
}

// over fails the test unless the session has released everything and has one record, or
// none if it was no session.
func (r *script) over(way []string) {
	for len(r.do) > 0 {
		r.runOne()
	}
	want := 1
	if r.session.detached {
		want = 0
	}
	i := r.service.Info()
	problem := ""
	switch {
	case r.done != 1:
		problem = fmt.Sprintf("Done was called %d times", r.done)
	case len(r.records) != want:
		problem = fmt.Sprintf("%d records", len(r.records))
	case r.dialling || r.relaying:
		problem = "it still dials or relays"
	case i.Sessions.Active != 0 || i.Queue.Waiting != 0 || r.service.active != 0:
		problem = fmt.Sprintf("left behind: %+v %+v", i.Sessions, i.Queue)
	case slices.ContainsFunc(i.Backends, func(b BackendInfo) bool { return b.Active != 0 }):
		problem = fmt.Sprintf("left behind: %+v", i.Backends)
	case r.service.live.first != nil:
		problem = "it is still listed"
	case int64(want) != i.Sessions.Total && !r.session.countedTotal:
		problem = fmt.Sprintf("%d sessions were counted", i.Sessions.Total)
	}
	for side, name := range r.sides {
		if !r.closed[side] && (name != "client" || r.session.protocol == nil) {
			problem = "the " + name + " is not closed"
		}
	}
	for _, rec := range r.records {
		if rec.By == "" || rec.Reason == "" || rec.Reason == ReasonOther || rec.Served != (rec.Phase == PhaseRelay) || rec.Dials < 1 && rec.Served {
			problem = fmt.Sprintf("record %+v", rec)
		}
	}
	if problem != "" {
		r.Fatalf("%s\nafter %q", problem, way)
	}
}

// scriptedProtocol is a Protocol whose answers the test chooses.
type scriptedProtocol struct {
	choose func(n int) int
	open   int // clients that were not ended
}

func (*scriptedProtocol) Name() string               { return "scripted" }
func (*scriptedProtocol) AnswerAfter() time.Duration { return 5 * time.Second }
func (*scriptedProtocol) KeepAlive(bool)             {}
func (p *scriptedProtocol) Same(o Protocol) bool     { return p == o }
func (*scriptedProtocol) Close()                     {}

func (p *scriptedProtocol) Handshake(c net.Conn, a Arrival) (PendingClient, error) {
	switch p.choose(8) {
	case 0:
		return nil, errors.New("no handshake came")
	case 1:
		return nil, &Refusal{Reason: ReasonOrigin, Detail: "of another"}
	case 2:
		a.Detach()
		return nil, io.EOF
	case 3:
		a.Detach()
	}
	p.open++
	return &scriptedClient{Conn: c, p: p}, nil
}

// scriptedClient is first a PendingClient, and then a ProtocolConn.
type scriptedClient struct {
	net.Conn
	p     *scriptedProtocol
	ended int
	code  int
}

func (c *scriptedClient) end() error {
	if c.ended++; c.ended == 1 {
		c.p.open--
	}
	return nil
}

func (c *scriptedClient) NetConn() net.Conn                       { return c.Conn }
func (c *scriptedClient) HasEnded() bool                          { return false }
func (c *scriptedClient) Forwarded() []netip.Addr                 { return nil }
func (c *scriptedClient) Service() string                         { return "" }
func (c *scriptedClient) Notice() string                          { return "" }
func (c *scriptedClient) Refuse(int, time.Duration, string) error { return c.end() }
func (c *scriptedClient) Close() error                            { return c.end() }
func (c *scriptedClient) WriteTo(io.Writer) (int64, error)        { return 0, nil }
func (c *scriptedClient) ReadFromOnce(io.Reader) (int64, error)   { return 0, nil }
func (c *scriptedClient) CanIdle() bool                           { return false }
func (c *scriptedClient) CanLoop() bool                           { return false }
func (c *scriptedClient) Frames() relay.Frames                    { return nil }
func (c *scriptedClient) Moved(net.Conn)                          {}
func (c *scriptedClient) CloseWith(code int, _ string) error      { c.code = code; return c.end() }
func (c *scriptedClient) CloseCode() int                          { return c.code }
func (c *scriptedClient) Subprotocol() string                     { return "" }
func (c *scriptedClient) RTT() time.Duration                      { return 0 }

func (c *scriptedClient) Accept() (ProtocolConn, error) {
	if c.p.choose(4) == 0 {
		c.end()
		return nil, errors.New("the client has gone")
	}
	return c, nil
}

// Hold returns at once with the result that the test chooses; to make it last, a test
// runs it later.
func (c *scriptedClient) Hold(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return []error{nil, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed}[c.p.choose(4)]
}
