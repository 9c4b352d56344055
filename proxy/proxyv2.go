package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/pires/go-proxyproto"
)

// Fields of a version 2 PROXY header: the 13th byte says whether its sender speaks for
// a client, the 14th the family of the client's address.
const (
	v2Fixed      = 16
	v2Local      = 0x20
	v2Unspec     = 0x00
	uniqueIDMost = 128
)

// tokenType is the TLV with a session's fencing token, in 8 bytes, big-endian: one of
// the types that the specification reserves for applications.
const tokenType proxyproto.PP2Type = 0xE5

// checkV2 checks a whole header of version 2: go-proxyproto does not check what
// follows the addresses. noAddress is true for LOCAL, and for PROXY with UNSPEC:
// their addresses are to be ignored, so only a wrong checksum is an error there.
func checkV2(header []byte) (noAddress bool, err error) {
	size, known := map[byte]int{1: 12, 2: 36, 3: 216}[header[13]>>4]
	block := header[v2Fixed:]
	noAddress = header[12] == v2Local || header[12] == v2Local+1 && header[13] == v2Unspec
	if !noAddress && (!known || len(block) < size) {
		return false, nil // go-proxyproto returns the error
	}
	tlvs, err := proxyproto.SplitTLVs(block[min(size, len(block)):])
	if err != nil {
		if noAddress {
			return true, nil
		}
		return false, errors.New("one of its TLVs is longer than the header")
	}
	sums := 0
	for _, tlv := range tlvs {
		switch err := checkTLV(tlv); {
		case err != nil && !noAddress:
			return false, err
		case err == nil && tlv.Type == proxyproto.PP2_TYPE_CRC32C:
			sums++
		}
	}
	if sums > 1 {
		return false, errors.New("it has more than one CRC32C")
	}
	if sums == 1 && !sumIsRight(header, min(v2Fixed+size, len(header))) {
		return false, errors.New("its CRC32C is wrong: it was changed in transit")
	}
	return noAddress, nil
}

// checkTLV checks TLVs of a known form.
func checkTLV(tlv proxyproto.TLV) error {
	const sslFixed = 5 // one byte of flags and four of the verification's result
	n := len(tlv.Value)
	switch tlv.Type {
	case proxyproto.PP2_TYPE_CRC32C:
		if n != crc32.Size {
			return fmt.Errorf("its CRC32C has %d bytes, not %d", n, crc32.Size)
		}
	case proxyproto.PP2_TYPE_UNIQUE_ID:
		if n > uniqueIDMost {
			return fmt.Errorf("its unique ID has %d bytes, more than %d", n, uniqueIDMost)
		}
	case proxyproto.PP2_TYPE_SSL:
		if n < sslFixed {
			return fmt.Errorf("its TLV of TLS has %d bytes, less than %d", n, sslFixed)
		}
		if _, err := proxyproto.SplitTLVs(tlv.Value[sslFixed:]); err != nil {
			return errors.New("a TLV inside that of TLS is longer than it")
		}
	}
	return nil
}

// sumIsRight verifies the checksum of a header, which is computed with zeros in its own
// place. It is in one of the TLVs, which are valid and begin at i.
func sumIsRight(header []byte, i int) bool {
	const head = 3 // type and length
	for {
		kind, n := proxyproto.PP2Type(header[i]), int(binary.BigEndian.Uint16(header[i+1:]))
		i += head
		if kind == proxyproto.PP2_TYPE_CRC32C && n == crc32.Size {
			break
		}
		i += n
	}
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, castagnoli, header[:i])
	sum = crc32.Update(sum, castagnoli, make([]byte, crc32.Size))
	sum = crc32.Update(sum, castagnoli, header[i+crc32.Size:])
	return sum == binary.BigEndian.Uint32(header[i:])
}
