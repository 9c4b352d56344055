package ws

import (
	"bytes"
	"compress/flate"
	"strconv"
	"sync"
)

// minDeflated is the length from which a payload is compressed, in bytes.
const minDeflated = 128

// A deflater is large (more than half a megabyte) and is borrowed for one frame
// at a time. There is no context takeover: no message refers to an earlier one.
type deflater struct {
	*flate.Writer
	out bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := &deflater{}
	d.Writer, _ = flate.NewWriter(&d.out, flate.BestSpeed)
	return d
}}

// deflate compresses p as one message into a block of its own, and returns nil
// if that does not make it shorter.
func deflate(p []byte) (z *block, n int) {
	if len(p) < minDeflated {
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
	// deflateOffer is what a client offers and a server agrees to: no context
	// takeover, so that neither side keeps memory between messages.
	deflateOffer = deflateName + "; server_no_context_takeover; client_no_context_takeover"
)

// agreeDeflate returns the answer to the first offer that we can accept (RFC
// 7692, section 5), or "" if there is none.
func agreeDeflate(offers []extension) string {
	for _, offer := range offers {
		if offer.name != deflateName {
			continue
		}
		if terms, ok := answerOffer(offer); ok {
			return terms
		}
	}
	return ""
}

func answerOffer(offer extension) (terms string, ok bool) {
	terms = deflateOffer
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
			// A permission for the client to use fewer bits. We inflate any window.
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

// acceptsDeflate reports whether a server's answer is one to deflateOffer.
func acceptsDeflate(answer extension) bool {
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
