package mesh

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// NewSecret returns a new secret for Config.Secrets: 256 random bits as text. A secret that a person made up is weaker: any
// caller gets a proof from a node, and can try words against it offline.
func NewSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never returns an error
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseSecrets parses a secret file: one secret a line; empty lines and lines that begin with # are skipped. It fails if there is
// no secret, or if one of them is not valid in Config.Secrets.
func ParseSecrets(file []byte) ([]string, error) {
	if len(file) > 64<<10 {
		return nil, fmt.Errorf("mesh: secret file of %d bytes: want 64 KiB at most", len(file))
	}
	var secrets []string
	for line := range bytes.Lines(file) {
		s := strings.TrimSpace(string(line))
		if s != "" && !strings.HasPrefix(s, "#") {
			secrets = append(secrets, s)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("mesh: the secret file has no secret: want one a line")
	}
	return secrets, checkSecrets(secrets)
}

func checkSecrets(secrets []string) error {
	if len(secrets) > maxSecrets {
		return fmt.Errorf("mesh: %d secrets: want %d at most", len(secrets), maxSecrets)
	}
	for i, s := range secrets {
		if len(s) < minSecret {
			return fmt.Errorf("mesh: secret %d has %d bytes: want %d or more", i+1, len(s), minSecret)
		}
	}
	return nil
}

// binding is what a proof is bound to: it is not valid on another channel, in the other direction, for another key or with
// another hello.
type binding struct {
	exporter   []byte // the channel, RFC 8446 section 7.5 (RFC 9266 explains why this is a good binding)
	client     []byte // the keys, since the exporter covers only the server's certificate
	server     []byte
	fromClient bool
	hello      []byte
}

// proofs returns one HMAC per secret. All are sent: the other side may have only one of the secrets.
func proofs(secrets []string, b binding) []byte {
	out := make([]byte, 0, len(secrets)*sha256.Size)
	for _, s := range secrets {
		out = append(out, b.proof(s)...)
	}
	return out
}

func (b binding) proof(secret string) []byte {
	role := "server"
	if b.fromClient {
		role = "client"
	}
	hello := sha256.Sum256(b.hello)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("tcpctl mesh proof 1 " + role + "\n"))
	for _, part := range [][]byte{b.exporter, b.client, b.server, hello[:]} { // each has a fixed length
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// proved reports whether one of the peer's proofs was made with one of our secrets.
func proved(secrets []string, b binding, theirs []byte) bool {
	ok := false
	for chunk := range slices.Chunk(theirs, sha256.Size) {
		for _, s := range secrets {
			ok = hmac.Equal(chunk, b.proof(s)) || ok
		}
	}
	return ok
}
