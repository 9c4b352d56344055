package mesh

import (
	"encoding/hex"
	"errors"
)

// relayRequest is the first frame of a stream: the target node, and how many more hubs it may pass. The target answers with a
// frame of one byte, as does a hub that cannot pass it on; then TLS between the two ends follows.
type relayRequest struct {
	target string
	hubs   byte
}

const (
	maxHubsOnWay     = 2 // one of each end
	relayRequestSize = 1 + idBytes
)

// The answers.
const (
	relayOK      = 0
	relayUnknown = 1 // the hub does not reach the node
	relayFull    = 2 // the hub carries as many streams as it is allowed to
	relayNoHub   = 3
)

var relayErrors = []error{
	relayUnknown: errors.New("does not reach it"),
	relayFull:    errors.New("carries as many streams as it is allowed to"),
	relayNoHub:   errors.New("does not know that it is a hub"),
}

var errRelay = errors.New("mesh: a request to a hub, or its answer, cannot be read")

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

// rawID decodes an id that is made of a key; nil if it is not.
func rawID(id string) []byte {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != idBytes {
		return nil
	}
	return raw
}
