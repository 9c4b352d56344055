package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tcpctl/tcpctl/proxy/internal/clienthello"
	"github.com/tcpctl/tcpctl/proxy/relay"
)

// clientHello is the part that the choice between services needs.
type clientHello struct {
	name string // "": it names no server
}

// readClientHello reads the first message of TLS, and returns its bytes unchanged for
// the TLS handshake.
func readClientHello(conn net.Conn) relay.Event {
	conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	defer conn.SetReadDeadline(time.Time{})
	var r clienthello.Reader
	buf := make([]byte, 4<<10)
	for {
		n, err := conn.Read(buf)
		if n == 0 {
			return noHello(len(r.Bytes()), err)
		}
		whole, err := r.Add(buf[:n])
		if err == nil && !whole {
			continue
		}
		var hello clientHello
		if err == nil {
			hello.name, err = r.Name()
		}
		if err != nil {
			return relay.Event{Kind: relay.HandshakeDone, Err: err, Arg: handshakeResult{refused: ReasonNotTLS}}
		}
		return relay.Event{Kind: relay.HandshakeDone, Arg: handshakeResult{early: r.Bytes(), hello: &hello}}
	}
}

// noHello is the error of an incomplete ClientHello.
func noHello(came int, err error) relay.Event {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case late:
		err = fmt.Errorf("%d bytes of it arrived within %s", came, handshakeTimeout)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the client ended after %d bytes", came)
	}
	return relay.Event{Kind: relay.HandshakeDone, Err: err, Arg: handshakeResult{refused: ReasonNoHello, abandoned: came == 0 && !late}}
}

// chooseByName moves the session to the service whose name the client asks for, or
// returns why it is refused.
func (s *Session) chooseByName(hello *clientHello) (refused Reason, detail, hint string) {
	chosen, err := s.choose(func(c *ServiceConfig) int { return rankName(c.SNI, hello.name) })
	switch {
	case err != nil:
		return ReasonLocalLimit, err.Error(), "raise the descriptor limit (ulimit -n)"
	case chosen:
		if s.service.config().Protocol == nil {
			s.countTotal()
		}
		return "", "", ""
	}
	s.client.WriteFirst(unrecognizedName) // otherwise its operator would only see a reset
	if hello.name == "" {
		return ReasonNoServerName, "", `a service with "*" in its sni takes such clients`
	}
	return ReasonServerName, fmt.Sprintf("%.100q", hello.name), "add it to the sni of a service"
}

// unrecognizedName is the fatal TLS alert of RFC 6066 for a name that is not served.
var unrecognizedName = []byte{21, 3, 3, 0, 2, 2, 112}

// Ranks of names: the most exact wins.
const (
	rankNone = iota
	rankAny
	rankWildcard
	rankExact
)

// rankName returns how well names match the one that a client asks for, "" if none.
func rankName(names []string, asked string) (best int) {
	label, parent, _ := strings.Cut(asked, ".")
	for _, name := range names {
		name = canonicalName(name)
		suffix, isWildcard := strings.CutPrefix(name, "*.")
		switch {
		case name == "*":
			best = max(best, rankAny)
		case asked == "":
		case name == asked:
			return rankExact
		case isWildcard && label != "" && parent == suffix:
			best = max(best, rankWildcard)
		}
	}
	return best
}

// canonicalName returns a name in a form for comparison.
func canonicalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
