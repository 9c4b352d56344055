package tlsrecord

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	nonceLen  = 12
	tagLen    = 16 // of all suites
	maxSecret = sha512.Size384
)

// suite is what a cipher suite of TLS 1.3 consists of.
type suite struct {
	id      uint16
	keyLen  int
	hash    func() hash.Hash
	hashLen int // also the length of a secret
	aead    func(key []byte) (cipher.AEAD, error)
}

// suites are all suites that crypto/tls has for TLS 1.3.
var suites = []suite{
	{tls.TLS_AES_128_GCM_SHA256, 16, sha256.New, sha256.Size, newGCM},
	{tls.TLS_AES_256_GCM_SHA384, 32, sha512.New384, sha512.Size384, newGCM},
	{tls.TLS_CHACHA20_POLY1305_SHA256, chacha20poly1305.KeySize, sha256.New, sha256.Size, chacha20poly1305.New},
}

// suiteOf returns nil for an unknown suite.
func suiteOf(id uint16) *suite {
	if i := slices.IndexFunc(suites, func(s suite) bool { return s.id == id }); i >= 0 {
		return &suites[i]
	}
	return nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func (s *suite) expand(secret []byte, label string, length int) ([]byte, error) {
	info := binary.BigEndian.AppendUint16(make([]byte, 0, 32), uint16(length))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "...)
	info = append(info, label...)
	info = append(info, 0)
	return hkdf.Expand(s.hash, secret, string(info), length)
}

// direction protects one direction. The nonce of a record is made of seq, so whoever
// uses a key increments seq, and only new keys reset it to 0.
type direction struct {
	aead   cipher.AEAD
	seq    uint64 // of the next record
	iv     [nonceLen]byte
	nonce  [nonceLen]byte // of the current record; a field, so that it is not allocated
	secret [maxSecret]byte
}

// setSecret makes a traffic secret's key and IV the ones in use (section 7.3).
func (d *direction) setSecret(s *suite, secret []byte) error {
	if len(secret) != s.hashLen {
		return fmt.Errorf("tlsrecord: a secret of %d bytes instead of %d", len(secret), s.hashLen)
	}
	key, err := s.expand(secret, "key", s.keyLen)
	if err != nil {
		return err
	}
	iv, err := s.expand(secret, "iv", nonceLen)
	if err != nil {
		return err
	}
	aead, err := s.aead(key)
	if err != nil {
		return err
	}
	clear(key)
	clear(d.secret[:])
	copy(d.secret[:], secret)
	copy(d.iv[:], iv)
	d.aead, d.seq = aead, 0
	return nil
}

// update switches to the next generation of keys (section 7.2) and forgets the previous
// ones.
func (d *direction) update(s *suite) {
	next, err := s.expand(d.secret[:s.hashLen], "traffic upd", s.hashLen)
	if err == nil {
		err = d.setSecret(s, next)
	}
	if err != nil {
		panic(err) // the same derivations have succeeded before, with the same lengths
	}
	clear(next)
}

// nextNonce returns the nonce of record number seq (section 5.3).
func (d *direction) nextNonce() []byte {
	copy(d.nonce[:4], d.iv[:4])
	binary.BigEndian.PutUint64(d.nonce[4:], binary.BigEndian.Uint64(d.iv[4:])^d.seq)
	return d.nonce[:]
}
