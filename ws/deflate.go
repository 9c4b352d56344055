package ws

import (
	"bytes"
	"compress/flate"
	"strconv"
	"sync"
)

// minPacked is the least that is worth compressing.
const minPacked = 128

// A deflater is large (more than half a megabyte), and borrowed for one frame
// at a time. A message never refers to one before it.
type deflater struct {
	*flate.Writer
	out bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := &deflater{}
	d.Writer, _ = flate.NewWriter(&d.out, flate.BestSpeed)
	return d
}}

// pack compresses p as one message into a block of its own, or returns nil if
// that does not make it shorter.
func pack(p []byte) (z *block, n int) {
	if len(p) < minPacked {
		return nil, 0
	}
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out.Reset()
	d.Reset(&d.out)
	d.Write(p)
	d.Flush()
	out := bytes.TrimSuffix(d.out.Bytes(), []byte(flateTail[:4]))
	if len(out) >= len(p) {
		return nil, 0
	}
	z = borrow()
	return z, copy(z.buf[headroom:], out)
}

const (
	deflateName = "permessage-deflate"
	// deflateTerms are what we ask for, as client, and agree to, as server: no
	// memory is kept between messages on either side.
	deflateTerms = deflateName + "; server_no_context_takeover; client_no_context_takeover"
)

// agreeDeflate picks the first offer that can be kept (RFC 7692, section 5)
// and returns the answer to it, or "".
func agreeDeflate(offers []extension) string {
	for _, offer := range offers {
		if offer.name != deflateName {
			continue
		}
		if terms, ok := deflateAnswer(offer); ok {
			return terms
		}
	}
	return ""
}

func deflateAnswer(offer extension) (terms string, ok bool) {
	terms = deflateTerms
	for i, p := range offer.params {
		for _, before := range offer.params[:i] {
			if before.name == p.name {
				return "", false
			}
		}
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.hasValue {
				return "", false
			}
		case "client_max_window_bits":
			// Ours to use, and we do not: we expand any window.
			if p.hasValue && !windowBits(p.value) {
				return "", false
			}
		case "server_max_window_bits":
			// compress/flate has one window, of 15 bits.
			if p.value != "15" {
				return "", false
			}
			terms += "; server_max_window_bits=15"
		default:
			return "", false
		}
	}
	return terms, true
}

// deflateAgreed checks a server's answer to deflateTerms.
func deflateAgreed(answer extension) bool {
	seen := map[string]bool{}
	for _, p := range answer.params {
		if seen[p.name] {
			return false
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if p.hasValue {
				return false
			}
		case "server_max_window_bits":
			if !windowBits(p.value) {
				return false
			}
		default: // client_max_window_bits too: we did not offer it
			return false
		}
	}
	return seen["server_no_context_takeover"]
}

func windowBits(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 8 && n <= 15 && s == strconv.Itoa(n)
}
