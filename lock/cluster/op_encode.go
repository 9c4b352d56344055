package cluster

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
)

// version is the version of each op and of a snapshot. A voter that reads a newer one
// stops, since it could not apply what the others apply.
const version = 1

// ErrNewer means that a newer version of this program wrote an entry, a snapshot or a
// message. The voter has to be upgraded.
var ErrNewer = errors.New("cluster: entry is newer than this version: upgrade this voter")

// ErrCorrupt means that bytes are not a valid entry, snapshot or message.
var ErrCorrupt = errors.New("cluster: entry is corrupt")

// An encoder appends values to bytes; a decoder reads them in the same order.
type encoder []byte

func (e *encoder) uint(v uint64) { *e = binary.AppendUvarint(*e, v) }

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) counts(c Counts) {
	for _, v := range [...]uint64{c.Live, c.Held, c.Served, c.Failed, c.Cut, c.Rejected, c.Abandoned, c.TimedOut, uint64(max(c.Longest, 0))} {
		e.uint(v)
	}
}

// A decoder keeps its first error, after which all values are zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(ErrCorrupt)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bool() bool {
	v := d.uint()
	if v > 1 {
		d.fail(ErrCorrupt)
	}
	return v == 1
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail(ErrCorrupt)
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// length reads how many values follow, each of which has at least so many bytes: a
// corrupt length does not allocate much more than the bytes can hold.
func (d *decoder) length(least int) int {
	n := d.uint()
	if n > uint64(len(d.b)/least) {
		d.fail(ErrCorrupt)
		return 0
	}
	return int(n)
}

func (d *decoder) counts() (c Counts) {
	for _, v := range [...]*uint64{&c.Live, &c.Held, &c.Served, &c.Failed, &c.Cut, &c.Rejected, &c.Abandoned, &c.TimedOut} {
		*v = d.uint()
	}
	c.Longest = d.duration()
	return c
}

func (d *decoder) fail(err error) {
	d.err = cmp.Or(d.err, err)
	d.b = nil
}

// EncodeEntry encodes one log entry.
func EncodeEntry(batches []Batch) []byte {
	var e encoder
	e.uint(uint64(len(batches)))
	for _, b := range batches {
		e.uint(uint64(b.Node))
		e.uint(b.Lease)
		e.uint(b.First)
		e.uint(uint64(len(b.Ops)))
		for _, op := range b.Ops {
			e.op(op)
		}
	}
	return e
}

// maxEntry is about how many bytes of batches one entry has, so that the ops that
// gather during a long election do not make an entry that no message can carry.
const maxEntry = 1 << 20

// encodeSome returns the bytes of one log entry with the first batches, and the number
// of these batches.
func encodeSome(batches []Batch) ([]byte, int) {
	size := 0
	for i, b := range batches {
		if size > maxEntry {
			return EncodeEntry(batches[:i]), i
		}
		for _, op := range b.Ops {
			size += leastOp + len(op.Service) + len(op.Text) + len(op.State) + len(op.Note)
		}
	}
	return EncodeEntry(batches), len(batches)
}

// DecodeEntry decodes what EncodeEntry has returned. Its error wraps ErrNewer or
// ErrCorrupt.
func DecodeEntry(data []byte) ([]Batch, error) {
	d := &decoder{b: data}
	batches := make([]Batch, d.length(leastBatch))
	for i := range batches {
		b := &batches[i]
		b.Node, b.Lease, b.First = NodeID(d.uint()), d.uint(), d.uint()
		b.Ops = make([]Op, d.length(leastOp))
		for j := range b.Ops {
			b.Ops[j] = d.op()
		}
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return batches, nil
}

func (e *encoder) op(op Op) {
	e.uint(version)
	e.uint(uint64(op.Kind))
	e.text(op.Service)
	e.uint(op.From)
	e.uint(op.To)
	e.uint(op.Token)
	e.bool(op.Flag)
	e.text(op.Text)
	e.text(op.State)
	e.text(op.Note)
	e.uint(uint64(max(op.Max, 0)))
	if op.Kind == OpReport {
		e.counts(op.Counts)
	}
}

func (d *decoder) op() (op Op) {
	if v := d.uint(); v > version && d.err == nil {
		d.fail(fmt.Errorf("%w (an op of version %d)", ErrNewer, v))
	}
	kind := d.uint()
	if known := kind >= uint64(OpJoin) && kind <= uint64(lastNodeOp) || kind >= uint64(OpHello) && kind <= uint64(lastLeaderOp); !known && d.err == nil {
		d.fail(fmt.Errorf("%w (op %d)", ErrNewer, kind))
	}
	op.Kind, op.Service = Kind(kind), d.text()
	op.From, op.To, op.Token = d.uint(), d.uint(), d.uint()
	op.Flag, op.Text, op.State, op.Note = d.bool(), d.text(), d.text(), d.text()
	op.Max = d.duration()
	if op.Kind == OpReport {
		op.Counts = d.counts()
	}
	return op
}
