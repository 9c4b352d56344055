package ws

// A base64Reader decodes text messages of base64 in place and in any cuts, as
// encoding/base64 cannot. Each message is complete by itself; padding is
// optional, and nothing follows it.
type base64Reader struct {
	bits   uint32
	nbits  uint
	chars  int // of this message
	padded int
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

// decode overwrites p with what it means. last ends the message.
func (r *base64Reader) decode(p []byte, last bool) ([]byte, *CloseError) {
	out := p[:0] // never longer than what was read: at most one byte a character
	for _, ch := range p {
		v := base64Value[ch]
		switch {
		case ch == '=' && r.chars&3 >= 2 && r.padded < 2:
			r.padded++
			continue
		case v < 0 || r.padded > 0:
			return nil, violation(InvalidData, "a text message is not base64")
		}
		r.chars++
		r.bits, r.nbits = r.bits<<6|uint32(v), r.nbits+6
		if r.nbits >= 8 {
			r.nbits -= 8
			out = append(out, byte(r.bits>>r.nbits))
		}
	}
	if last {
		if r.chars&3 == 1 || r.padded > 0 && (r.chars+r.padded)&3 != 0 {
			return nil, violation(InvalidData, "a text message is base64 that is cut off")
		}
		*r = base64Reader{}
	}
	return out, nil
}
