package mesh

import (
	"encoding/binary"
	"fmt"
	"io"
)

// readFrame reads a length of four bytes and then as many bytes. A length over limit fails before memory is allocated.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if uint64(size) > uint64(limit) {
		return nil, fmt.Errorf("mesh: a frame of %d bytes: the limit is %d", size, limit)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("mesh: in a frame of %d bytes: %w", size, err)
	}
	return body, nil
}

// writeFrame writes the parts as one frame, in one Write.
func writeFrame(w io.Writer, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+size), uint32(size))
	for _, p := range parts {
		frame = append(frame, p...)
	}
	_, err := w.Write(frame)
	return err
}
