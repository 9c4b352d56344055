package proxy_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"github.com/tcpctl/tcpctl/proxy"
)

// tlv is a TLV of a PROXY header.
func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// v2 is a PROXY header of version 2 with any command, family and block.
func v2(command, family byte, block string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string(binary.BigEndian.AppendUint16([]byte{command, family}, uint16(len(block)))) + block
}

// summed inserts the checksum into a header that ends with zeros for it.
func summed(header string) string {
	sum := crc32.Checksum([]byte(header), crc32.MakeTable(crc32.Castagnoli))
	return header[:len(header)-4] + string(binary.BigEndian.AppendUint32(nil, sum))
}

// TestPROXYHeadersThatSayMore: what follows the addresses is checked, and with a header
// that names no client, the peer itself is the client.
func TestPROXYHeadersThatSayMore(t *testing.T) { onEach(t, testPROXYHeadersThatSayMore) }

func testPROXYHeadersThatSayMore(t *testing.T) {
	const (
		four     = "\x0a\x01\x02\x03\x0a\x09\x09\x09\x11\xd7\x00\x50"
		noClient = "127.0.0.1:"
		client   = "10.1.2.3:4567"
		ssl      = "\x01\x00\x00\x00\x00"
		refused  = ""
	)
	zeros := tlv(3, "\x00\x00\x00\x00")
	for name, test := range map[string]struct{ header, want string }{
		"v1 UNKNOWN":                   {"PROXY UNKNOWN\r\n", noClient},
		"v1 UNKNOWN with addresses":    {"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", noClient},
		"LOCAL":                        {v2(0x20, 0, ""), noClient},
		"LOCAL with a family":          {v2(0x20, 0x11, four), noClient},
		"LOCAL with anything":          {v2(0x20, 0x99, "\xff\xff\xff\xff"), noClient},
		"UNSPEC":                       {v2(0x21, 0, ""), noClient},
		"UNSPEC with anything":         {v2(0x21, 0, "\xff\xff\xff\xff"), noClient},
		"UNSPEC with a checksum":       {summed(v2(0x21, 0, tlv(4, "pad")+zeros)), noClient},
		"UNSPEC with a wrong one":      {v2(0x21, 0, tlv(4, "pad")+zeros), refused},
		"LOCAL with a wrong one":       {v2(0x20, 0, zeros), refused},
		"a checksum":                   {summed(v2(0x21, 0x11, four+tlv(1, "h2")+zeros)), client},
		"a wrong checksum":             {v2(0x21, 0x11, four+zeros), refused},
		"a byte changed after summing": {strings.Replace(summed(v2(0x21, 0x11, four+tlv(1, "h2")+zeros)), "h2", "h3", 1), refused},
		"two checksums":                {summed(v2(0x21, 0x11, four+zeros+zeros)), refused},
		"a short checksum":             {v2(0x21, 0x11, four+tlv(3, "abc")), refused},
		"a TLV beyond the end":         {v2(0x21, 0x11, four+"\x01\x00\x09h2"), refused},
		"half a TLV":                   {v2(0x21, 0x11, four+"\x01\x00"), refused},
		"TLS":                          {v2(0x21, 0x11, four+tlv(0x20, ssl+tlv(0x21, "TLSv1.3"))), client},
		"TLS, short":                   {v2(0x21, 0x11, four+tlv(0x20, "\x01")), refused},
		"TLS, beyond its end":          {v2(0x21, 0x11, four+tlv(0x20, ssl+"\x21\x00\x09x")), refused},
		"an unknown TLV":               {v2(0x21, 0x11, four+tlv(0xee, "x")), client},
		"a long unique ID":             {v2(0x21, 0x11, four+tlv(5, strings.Repeat("x", 129))), refused},
		"the longest":                  {v2(0x21, 0x11, four+tlv(0xee, strings.Repeat("x", 4096-16-12-3))), client},
		"too long":                     {v2(0x21, 0x11, four+tlv(0xee, strings.Repeat("x", 4096-16-12-2))), refused},
		"no such family":               {v2(0x21, 0x13, four), refused},
		"too short for its family":     {v2(0x21, 0x21, four), refused},
	} {
		t.Run(name, func(t *testing.T) {
			v := start(t, proxy.ServiceConfig{AcceptProxy: true, TrustedProxies: loopback}, newServer(t, "a"))
			for _, pieces := range []bool{false, true} {
				c := v.dial("")
				text := test.header + "hello\n"
				told := false // a write got the reset
				for len(text) > 0 && !told {
					n := len(text)
					if pieces {
						n = 1
					}
					_, err := io.WriteString(c, text[:n])
					told, text = err != nil, text[n:]
				}
				switch {
				case test.want == refused && !told:
					c.isReset()
				case test.want != refused:
					c.hears("a hello")
					c.Close()
				}
				r := v.record()
				if r.Served != (test.want != refused) || !strings.HasPrefix(r.Client, test.want) || !r.Served && r.Reason != proxy.ReasonProxyHeader {
					t.Errorf("in pieces %t: %+v", pieces, r)
				}
			}
		})
	}
}
