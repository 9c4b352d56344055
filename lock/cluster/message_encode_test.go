package cluster

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

var (
	sampleRequest = Request{Node: 7, Incarnation: 3, Lease: 9, Last: 4, Renewal: 12, First: 5, Known: 8,
		Ops: []Op{
			{Kind: OpJoin, Service: "db", From: 1, To: 4711},
			{Kind: OpRequeue, Service: "db", From: 2, Token: 88},
			{Kind: OpPause, Service: "office", Max: time.Minute, Flag: true, Note: "by ana"},
			{Kind: OpReport, Service: "db", Token: 9, Counts: Counts{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		},
		Seen:   []Seen{{"db", 88}, {"office", 1}},
		Shares: []ShareReport{{"db", 65536, 40, 3, 2, time.Second, time.Millisecond}},
	}
	sampleAnswer = Answer{From: 1, Leads: true, Leader: 2, Incarnation: 3, Lease: 9, Ended: true, Renewed: 12, Applied: 8,
		Grants: []Grant{{Service: "db", Node: 7, Lease: 9, Arrival: 2, Token: 89, Hook: true, Expired: true}},
		Known:  10,
		Facts: []Fact{
			{Service: "db", Slots: 2, Sharing: true, Ordered: 5, Every: 3, Exclusive: true, Backends: []Backend{{"a", "drain", "by ana", true, 50, 6, []NodeReport{{7, 9, 1, false, Counts{Cut: 2}}}}}, Nodes: []Server{{7, true, false}, {8, false, true}}},
			{Service: "office", Plan: Plan{ID: 6, Owner: 7, Lease: 9, Window: true, Reserved: true, Backend: "a", Admin: "drain", Step: Command, Max: time.Minute, Note: "a", End: "b", Nodes: []NodeReport{{7, 9, 2, true, Counts{Live: 1}}}}},
		},
		Shares: []Share{{"db", 20, 2, 1, 65536, 3, true, 12, time.Second}},
	}
)

func TestMessagesAreReadAsWritten(t *testing.T) {
	for _, want := range []Request{sampleRequest, {Node: 1}} {
		if got, err := DecodeRequest(EncodeRequest(want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	for _, want := range []Answer{sampleAnswer, {From: 1, Leader: 2}} {
		if got, err := DecodeAnswer(EncodeAnswer(want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
}

// TestMessagesAreRefused: truncated anywhere, too long, and of another version.
func TestMessagesAreRefused(t *testing.T) {
	request, answer := EncodeRequest(sampleRequest), EncodeAnswer(sampleAnswer)
	for n := range request {
		if _, err := DecodeRequest(request[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d of %d bytes of a request: %v", n, len(request), err)
		}
	}
	for n := range answer {
		if _, err := DecodeAnswer(answer[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%d of %d bytes of an answer: %v", n, len(answer), err)
		}
	}
	// Nodes have a name for each known step.
	var fact encoder
	fact.fact(&Fact{Service: "db", Plan: Plan{ID: 6, Step: Resumed + 1}})
	d := &decoder{b: fact}
	if d.fact(); !errors.Is(d.err, ErrNewer) {
		t.Errorf("a plan at an unknown step: %v", d.err)
	}
	if _, err := DecodeRequest(append(request, 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("bytes after the end: %v", err)
	}
	if _, err := DecodeAnswer(make([]byte, MaxMessage+1)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("too long: %v", err)
	}
	many := sampleRequest
	many.Ops = make([]Op, maxRequest+1)
	for i := range many.Ops {
		many.Ops[i] = Op{Kind: OpDone}
	}
	if _, err := DecodeRequest(EncodeRequest(many)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("too many ops: %v", err)
	}
	request[0], answer[0] = version+1, version+1
	if _, err := DecodeRequest(request); !Newer(err) {
		t.Errorf("newer request: %v", err)
	}
	if _, err := DecodeAnswer(answer); !Newer(err) {
		t.Errorf("newer answer: %v", err)
	}
}

// TestAnEntryFitsIntoAMessage: what does not fit goes into the next.
func TestAnEntryFitsIntoAMessage(t *testing.T) {
	var batches []Batch
	for i := range 400 {
		batches = append(batches, Batch{Node: 1, Lease: 1, First: uint64(i + 1), Ops: []Op{{Kind: OpDone, Service: string(make([]byte, 10_000))}}})
	}
	for n, rest := 0, batches; len(rest) > 0; n++ {
		data, some := encodeSome(rest)
		if some == 0 || len(data) > 2*maxEntry || n > 4 {
			t.Fatalf("entry %d has %d batches, %d bytes", n, some, len(data))
		}
		if got, err := DecodeEntry(data); err != nil || len(got) != some {
			t.Fatalf("read %d batches of %d, %v", len(got), some, err)
		}
		rest = rest[some:]
	}
}

// FuzzRequest: no bytes crash a voter that leads, and what was read is written unchanged.
func FuzzRequest(f *testing.F) {
	f.Add(EncodeRequest(sampleRequest))
	f.Add(EncodeRequest(Request{Node: 3, Incarnation: 1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRequest(data)
		if err != nil {
			if !errors.Is(err, ErrNewer) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v is neither newer nor corrupt", err)
			}
			return
		}
		if again, err := DecodeRequest(EncodeRequest(r)); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("read %+v, and then %+v, %v", r, again, err)
		}
		v, log := leadingVoter(r.Node, r.Incarnation)
		for i := range 3 {
			r, _ := DecodeRequest(data) // a leader changes its argument
			v.Step(time.Duration(i)*time.Second, r)
			v.Poll(time.Duration(i) * time.Second)
			log.commit()
			v.Poll(time.Duration(i) * time.Second)
			log.ready.Entries = nil
			v.Answers()
		}
		if v.Err() != nil {
			t.Fatal(v.Err())
		}
	})
}

// leadingVoter leads, and has given a lease to a node: 2.
func leadingVoter(node NodeID, incarnation uint64) (*Voter, *fakeLog) {
	hello := EncodeEntry([]Batch{{Node: node, Ops: []Op{{Kind: OpHello, From: incarnation}}}})
	log := &fakeLog{ready: LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{1, 1, nil}, {2, 1, hello}}}}
	v := NewVoter(1, time.Second, NewState("x"), log)
	v.Poll(0)
	log.ready.Entries = nil
	return v, log
}

// commit makes the proposed entries committed.
func (l *fakeLog) commit() {
	l.ready.Confirmed, l.ready.Entries = 1<<40, nil
	for _, data := range l.proposed {
		l.committed++
		l.ready.Entries = append(l.ready.Entries, LogEntry{2 + l.committed, 1, data})
	}
	l.proposed = nil
}

// FuzzAnswer: no bytes crash an agent, and what was read is written unchanged.
func FuzzAnswer(f *testing.F) {
	f.Add(EncodeAnswer(sampleAnswer))
	f.Add(EncodeAnswer(Answer{From: 1, Leads: true, Incarnation: 1, Lease: 1, Renewed: 1, Applied: 1<<64 - 1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeAnswer(data)
		if err != nil {
			if !errors.Is(err, ErrNewer) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v is neither newer nor corrupt", err)
			}
			return
		}
		if again, err := DecodeAnswer(EncodeAnswer(r)); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("read %+v, and then %+v, %v", r, again, err)
		}
		a := NewAgent(AgentConfig{Node: 7, Incarnation: 1, Voters: []NodeID{1, 2, 3}, Lease: time.Second})
		a.Tick(0)
		a.Step(0, Answer{From: 1, Leads: true, Incarnation: 1, Lease: 1})
		a.WaitingUpTo(0, "db", 5)
		for i := range 5 {
			now := time.Duration(i) * 400 * time.Millisecond
			a.Tick(now)
			a.Step(now, r)
			a.Admit(now, "db", 1, 0)
			a.Ready()
		}
	})
}
