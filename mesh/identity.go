package mesh

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// protocol is negotiated by ALPN, so that a web client is refused before it sends a request.
const protocol = "tcpctl-mesh/1"

// identity is the node's key and what is derived from it. The certificate only carries the key: it is self-signed, and its
// dates and names mean nothing.
type identity struct {
	key  ed25519.PrivateKey
	id   string
	boot string // random for each Node: tells this node from others, and a restart from a second node with the same id
	tls  *tls.Config
}

func newIdentity(id string, key ed25519.PrivateKey) (identity, error) {
	if key == nil {
		var err error
		if _, key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return identity{}, fmt.Errorf("mesh: new key: %w", err)
		}
	}
	if id == "" {
		id = idOf(keyBytes(key.Public()))
	}
	envelope := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "tcpctl mesh node"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 section 4.1.2.5: no expiry
	}
	der, err := x509.CreateCertificate(rand.Reader, envelope, envelope, key.Public(), key)
	if err != nil {
		return identity{}, fmt.Errorf("mesh: certificate: %w", err)
	}
	boot := make([]byte, 8)
	rand.Read(boot)
	return identity{key: key, id: id, boot: hex.EncodeToString(boot), tls: &tls.Config{
		Certificates:           []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{protocol},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true, // each connection proves its key
		// Names and issuers mean nothing here. TLS still proves that the peer holds the key of its certificate; the
		// hello decides whether that peer may connect.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := peerKey(s)
			return err
		},
	}}, nil
}

// peerKey returns the key that the other side has proved to hold.
func peerKey(s tls.ConnectionState) (ed25519.PublicKey, error) {
	if s.NegotiatedProtocol != protocol {
		return nil, errors.New("mesh: the other side is not a mesh node (no " + protocol + ")")
	}
	if len(s.PeerCertificates) != 1 {
		return nil, fmt.Errorf("mesh: %d certificates: want 1", len(s.PeerCertificates))
	}
	key, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("mesh: the certificate's key is not ed25519")
	}
	return key, nil
}
