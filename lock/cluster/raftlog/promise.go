package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// A promise is what this voter has confirmed to others that it keeps. It has a file of
// its own beside the log: a log with less was lost or replaced. It may be behind the
// log, as it is synced only where that matters: when a term or a start begins, and when
// the log is closed. It is never ahead of what was synced.
type promise struct {
	starts uint64 // how often this log was opened
	term   uint64
	last   uint64 // index
}

const (
	promiseName    = "promise"
	promiseVersion = 1
	promiseSlot    = 512 // a torn write damages only one of two slots
	promiseSize    = 44
)

// checksum makes its table when it is first called: each process that imports this package would
// spend a quarter of a millisecond on it, and most have no cluster.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// A promiseFile has two slots, which are written alternately.
type promiseFile struct {
	file *os.File
	seq  uint64
	promise
}

func (p *promiseFile) encode() []byte {
	b := make([]byte, 0, promiseSize)
	for _, v := range [...]uint64{promiseVersion, p.seq, p.starts, p.term, p.last} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return binary.BigEndian.AppendUint32(b, checksum(b))
}

// decode takes a slot if it is intact and newer than p.
func (p *promiseFile) decode(b []byte) (ok bool, err error) {
	if len(b) < promiseSize || checksum(b[:promiseSize-4]) != binary.BigEndian.Uint32(b[promiseSize-4:]) {
		return false, nil
	}
	var v [5]uint64
	for i := range v {
		v[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	if v[0] > promiseVersion {
		return false, newer("a promise", v[0])
	}
	if v[1] > p.seq {
		p.seq, p.promise = v[1], promise{starts: v[2], term: v[3], last: v[4]}
	}
	return true, nil
}

// openPromise opens the file in dir, and makes it if create is set. If it does not
// exist, the error wraps os.ErrNotExist.
func openPromise(dir string, create bool) (*promiseFile, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE
	}
	f, err := os.OpenFile(filepath.Join(dir, promiseName), flag, 0o600)
	if err != nil {
		return nil, fmt.Errorf("raftlog: %w", err)
	}
	p := &promiseFile{file: f}
	if err := p.read(create); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *promiseFile) read(create bool) error {
	b, err := io.ReadAll(io.LimitReader(p.file, 2*promiseSlot))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	whole := false
	for at := 0; at < len(b); at += promiseSlot {
		ok, err := p.decode(b[at:])
		if err != nil {
			return err
		}
		whole = whole || ok
	}
	if !whole && len(b) > 0 && !create {
		return behind("%s is damaged", p.file.Name())
	}
	return nil
}

func (p *promiseFile) write(sync bool) error {
	p.seq++
	_, err := p.file.WriteAt(p.encode(), int64(p.seq%2)*promiseSlot)
	if err == nil && sync {
		err = p.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisk, err)
	}
	return nil
}

// syncDir syncs the names in a folder.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
