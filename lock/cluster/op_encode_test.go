package cluster

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

var sample = []Batch{
	{Node: 1, Lease: 7, First: 3, Ops: []Op{
		{Kind: OpJoin, Service: "db", From: 1, To: 4711},
		{Kind: OpReport, Service: "db", Token: 9, Flag: true, Counts: Counts{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{Kind: OpPause, Service: "office", Max: time.Minute, Flag: true, Note: "by ana"},
		{Kind: OpBackend, Service: "db", Text: "a", State: "drain", Note: "by ana"},
		{Kind: OpServe, Service: "db", Flag: true},
	}},
	{Node: 2, Ops: []Op{{Kind: OpExpire, To: 5}}},
}

func TestEntriesAreReadAsWritten(t *testing.T) {
	got, err := DecodeEntry(EncodeEntry(sample))
	if err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("read %+v, %v", got, err)
	}
}

// TestANewerEntryStopsTheVoter: an op that this version does not know cannot be
// left out, as the other voters have applied it.
func TestANewerEntryStopsTheVoter(t *testing.T) {
	unknown := EncodeEntry([]Batch{{Node: 1, Lease: 1, First: 1, Ops: []Op{{Kind: lastNodeOp + 1, Service: "db"}}}})
	newer := EncodeEntry([]Batch{{Node: 1, Lease: 1, First: 1, Ops: []Op{{Kind: OpDone}}}})
	newer[bytes.IndexByte(newer, byte(OpDone))-1] = version + 1
	for _, data := range [][]byte{unknown, newer} {
		log := &fakeLog{ready: LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{1, 1, data}}}}
		v := NewVoter(1, time.Second, NewState("x"), log)
		v.Poll(0)
		if !errors.Is(v.Err(), ErrNewer) || v.State().Index() != 0 {
			t.Errorf("error %v, index %d: want %v, 0", v.Err(), v.State().Index(), ErrNewer)
		}
		log.ready = LogReady{Term: 1, Leader: 1, Entries: []LogEntry{{2, 1, nil}}}
		v.Step(0, Request{Node: 1, Incarnation: 1})
		if v.Poll(0); v.State().Index() != 0 || len(log.proposed) > 0 || len(v.Answers()) > 0 {
			t.Error("a voter that has stopped still works")
		}
	}
}

// TestASnapshotReplacesTheState: a voter that was behind continues from it.
func TestASnapshotReplacesTheState(t *testing.T) {
	s := NewState("x")
	if _, err := s.Apply(9, EncodeEntry([]Batch{{Node: 3, Ops: []Op{{Kind: OpHello, From: 1}}}})); err != nil {
		t.Fatal(err)
	}
	log := &fakeLog{ready: LogReady{Term: 4, Leader: 1, Snapshot: s.Snapshot(), Entries: []LogEntry{{10, 4, nil}}}}
	v := NewVoter(1, time.Second, NewState("x"), log)
	v.Poll(0)
	if m := v.State().Members(); v.Err() != nil || v.State().Index() != 10 || len(m) != 1 || m[0].Lease != 9 {
		t.Errorf("index %d, members %+v, %v", v.State().Index(), m, v.Err())
	}
	log.ready = LogReady{Term: 4, Leader: 1}
	v.Poll(time.Second) // a lease from the snapshot ends like others
	if want := EncodeEntry([]Batch{{Node: 3, Ops: []Op{{Kind: OpExpire, To: 9}}}}); len(log.proposed) != 1 || !bytes.Equal(log.proposed[0], want) {
		t.Errorf("proposed %q", log.proposed)
	}
}

// A fakeLog returns what a test sets.
type fakeLog struct {
	ready     LogReady
	proposed  [][]byte
	committed uint64
}

func (l *fakeLog) Propose(data []byte) error { l.proposed = append(l.proposed, data); return nil }
func (l *fakeLog) Confirm(uint64) error      { return nil }
func (l *fakeLog) Ready() LogReady           { return l.ready }

// FuzzEntry: no bytes crash a voter, and what was read is written unchanged.
func FuzzEntry(f *testing.F) {
	f.Add(EncodeEntry(sample))
	f.Add([]byte{1, 1, 0, 1, 200})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewState("x")
		for i := range 3 {
			if _, err := s.Apply(uint64(i+1), data); err != nil && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v is neither newer nor corrupt", err)
			}
		}
		if batches, err := DecodeEntry(data); err == nil {
			if again, err := DecodeEntry(EncodeEntry(batches)); err != nil || !reflect.DeepEqual(again, batches) {
				t.Fatalf("read %+v, and then %+v, %v", batches, again, err)
			}
		}
		snapshot := s.Snapshot()
		if again, err := RestoreState(snapshot); err != nil || !bytes.Equal(again.Snapshot(), snapshot) {
			t.Fatalf("a restored snapshot differs: %v", err)
		}
	})
}

// FuzzSnapshot: no bytes crash a voter that starts.
func FuzzSnapshot(f *testing.F) {
	f.Add(NewState("x").Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := RestoreState(data); err != nil && !errors.Is(err, ErrNewer) && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("error %v is neither newer nor corrupt", err)
		}
	})
}
