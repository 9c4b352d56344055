package mesh

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
)

// signedRecord is a node's record, with what else others must know about the node, signed by it for hubs to pass on. A hub
// can withhold it, but can neither change it nor replay an older one to a node that has a newer one.
//
// Encoded it is the signature (64 bytes), the node's key (32), the version (8), the length of the description (2), the
// description as JSON, and the record.
type signedRecord struct {
	id      string // made of the key
	version uint64 // only grows, even over restarts of the node
	about   description
	record  []byte
	encoded []byte
}

// description is what a connected node would say in its hello.
type description struct {
	Name    string           `json:"name"`
	Version string           `json:"version,omitempty"`
	Addrs   []netip.AddrPort `json:"addrs,omitempty"`
}

const (
	signedHead     = ed25519.SignatureSize + ed25519.PublicKeySize + 8 + 2
	maxDescription = 2 << 10
	maxSigned      = signedHead + maxDescription + maxHubRecord
	maxVersion     = 1 << 62
)

// signedText returns the bytes to sign. They include the mesh's name, so that a record is valid in one mesh only.
func signedText(mesh string, body []byte) []byte {
	name := sha256.Sum256([]byte(mesh))
	text := append([]byte("tcpctl mesh record 1\n"), name[:]...)
	return append(text, body...)
}

func signRecord(key ed25519.PrivateKey, mesh string, version uint64, about description, record []byte) ([]byte, error) {
	desc, err := json.Marshal(about)
	if err != nil {
		return nil, fmt.Errorf("mesh: description: %w", err)
	}
	body := make([]byte, 0, signedHead-ed25519.SignatureSize+len(desc)+len(record))
	body = append(body, keyBytes(key.Public())...)
	body = binary.BigEndian.AppendUint64(body, version)
	body = binary.BigEndian.AppendUint16(body, uint16(len(desc)))
	body = append(append(body, desc...), record...)
	return append(ed25519.Sign(key, signedText(mesh, body)), body...), nil
}

var errSigned = errors.New("mesh: invalid signed record")

// parseSigned parses a signed record. Nothing in it may be trusted before verify.
func parseSigned(b []byte) (*signedRecord, error) {
	if len(b) < signedHead || len(b) > maxSigned {
		return nil, fmt.Errorf("%w: %d bytes", errSigned, len(b))
	}
	key, rest := b[ed25519.SignatureSize:][:ed25519.PublicKeySize], b[ed25519.SignatureSize+ed25519.PublicKeySize:]
	s := &signedRecord{id: idOf(key), version: binary.BigEndian.Uint64(rest), encoded: b}
	size := int(binary.BigEndian.Uint16(rest[8:]))
	rest = rest[10:]
	if s.version == 0 || s.version > maxVersion || size > maxDescription || size > len(rest) || len(rest)-size > maxHubRecord {
		return nil, errSigned
	}
	if err := json.Unmarshal(rest[:size], &s.about); err != nil {
		return nil, fmt.Errorf("%w: %w", errSigned, err)
	}
	s.record = rest[size:]
	a := &s.about
	if !plain.Name(a.Name) || a.Version != "" && !plain.Name(a.Version) || len(a.Addrs) > maxAddrs {
		return nil, errSigned
	}
	a.Addrs = slices.DeleteFunc(a.Addrs, func(a netip.AddrPort) bool { return checkAddr(a) != nil || a.Addr().Zone() != "" })
	return s, nil
}

// verify returns an error unless the node with this id has signed the record for this mesh.
func (s *signedRecord) verify(mesh string) error {
	signature, body := s.encoded[:ed25519.SignatureSize], s.encoded[ed25519.SignatureSize:]
	if !ed25519.Verify(ed25519.PublicKey(body[:ed25519.PublicKeySize]), signedText(mesh, body), signature) {
		return fmt.Errorf("mesh: the record of %s (%s) is not signed by it", s.about.Name, s.id)
	}
	return nil
}

// idOf returns the id of a node that has this key and no Config.ID.
func idOf(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:idBytes])
}

const idBytes = 16

// ownSigned returns this node's current record, signed. It signs again only after a change.
func (n *Node) ownSigned() ([]byte, error) {
	n.mu.Lock()
	version, record := n.signed.version, n.record
	if n.signed.of == version {
		defer n.mu.Unlock()
		return n.signed.encoded, nil
	}
	n.mu.Unlock()
	if len(record) > maxHubRecord {
		n.reportError("record", fmt.Errorf("%w, in a mesh with hubs: it is not passed on", errRecordSize(len(record), maxHubRecord)))
		record = nil
	}
	about := description{Name: n.cfg.Node, Version: n.cfg.Version, Addrs: shareableAddrs(reachable(n.listen), n.listen.Port())}
	encoded, err := signRecord(n.id.key, n.cfg.Name, version, about, record)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.signed.of < version {
		n.signed.of, n.signed.encoded = version, encoded
	}
	return encoded, nil
}

// ownRecord is this node's own signed record. Its fields are under node.mu.
type ownRecord struct {
	version uint64 // of the current record. It starts from the time, so that it exceeds those before a restart
	of      uint64 // the version that encoded has
	encoded []byte
}

// gotOwn is called when another node sends back this node's own record. If that is newer, this node's clock was ahead
// before its restart, and the others reject what it has signed since as old. Called with node.mu held.
func (n *Node) gotOwn(version uint64) {
	if version > n.signed.version && version < maxVersion {
		n.signed.version = version + 1
		n.recordChanged()
	}
}
