package ws

// A base64Decoder decodes text messages of base64 in place, wherever
// their bytes are split between reads, as encoding/base64 cannot. Each message
// is complete by itself; padding is optional, and nothing follows it.
type base64Decoder struct {
	bits    uint32
	nbits   uint
	chars   int // of this message
	padding int
}

var base64Value = func() (v [256]int8) {
	for i := range v {
		v[i] = -1
	}
	for i, ch := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		v[ch] = int8(i)
	}
	return v
}()

// decode decodes p in place. last says that the message ends with p.
func (r *base64Decoder) decode(p []byte, last bool) ([]byte, *CloseError) {
	out := p[:0] // never longer than what was read: at most one byte a character
	for _, ch := range p {
		v := base64Value[ch]
		switch {
		case ch == '=' && r.chars&3 >= 2 && r.padding < 2:
			r.padding++
			continue
		case v < 0 || r.padding > 0:
			return nil, violation(InvalidPayload, "a text message is not base64")
		}
		r.chars++
		r.bits, r.nbits = r.bits<<6|uint32(v), r.nbits+6
		if r.nbits >= 8 {
			r.nbits -= 8
			out = append(out, byte(r.bits>>r.nbits))
		}
	}
	if last {
		if r.chars&3 == 1 || r.padding > 0 && (r.chars+r.padding)&3 != 0 {
			return nil, violation(InvalidPayload, "a text message is base64 that ends too early")
		}
		*r = base64Decoder{}
	}
	return out, nil
}
