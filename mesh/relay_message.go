package mesh

import (
	"encoding/hex"
	"errors"
)

// relayRequest is the first frame of a stream: to which node it goes, and over how many hubs it may still go. That node answers
// with a frame of one byte, and a hub that cannot pass it on, too; then comes TLS between the two ends.
type relayRequest struct {
	target string
	hubs   byte
}

const (
	maxHubsOnWay     = 2 // that of the one node, and that of the other
	relayRequestSize = 1 + idBytes
)

// The answers.
const (
	relayOK      = 0
	relayUnknown = 1 // the hub does not reach the node
	relayFull    = 2 // the hub carries as many streams as it may
	relayNoHub   = 3
)

var relayErrors = []error{
	relayUnknown: errors.New("does not reach it"),
	relayFull:    errors.New("carries as many streams as it may"),
	relayNoHub:   errors.New("does not know that it is a hub"),
}

var errRelay = errors.New("mesh: a request to a hub, or its answer, that cannot be read")

func (r relayRequest) encode() []byte { return append([]byte{r.hubs}, rawID(r.target)...) }

func parseRelayRequest(b []byte) (relayRequest, error) {
	if len(b) != relayRequestSize || b[0] > maxHubsOnWay {
		return relayRequest{}, errRelay
	}
	return relayRequest{hubs: b[0], target: hex.EncodeToString(b[1:])}, nil
}

func parseRelayAnswer(b []byte) error {
	switch {
	case len(b) != 1 || int(b[0]) >= len(relayErrors):
		return errRelay
	case b[0] == relayOK:
		return nil
	}
	return relayErrors[b[0]]
}

// rawID is an id that is made of a key, as bytes; nil: it is another.
func rawID(id string) []byte {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != idBytes {
		return nil
	}
	return raw
}
