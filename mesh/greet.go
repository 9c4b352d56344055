package mesh

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// greeting is a handshake under way: TLS, then a hello, a proof and a verdict from each side.
type greeting struct {
	node   *Node
	tls    *tls.Conn
	wire   *wire
	dialed bool
	addr   netip.AddrPort // where it is
	mine   hello
	theirs hello
	// trusted: it has proved a secret, and so have we.
	trusted bool
	unwatch func() bool // until then the end of begin's context closes the connection
}

// begin runs everything up to the verdicts, within Config.HandshakeTimeout. On an error the caller closes the connection.
func (n *Node) begin(ctx context.Context, conn net.Conn, addr netip.AddrPort, dialed bool, mine hello) (*greeting, error) {
	g := &greeting{node: n, dialed: dialed, addr: addr, mine: mine, wire: newWire(conn, n.born)}
	if dialed {
		g.tls = tls.Client(g.wire, n.id.tls)
	} else {
		g.tls = tls.Server(g.wire, n.id.tls)
	}
	conn.SetDeadline(time.Now().Add(n.cfg.HandshakeTimeout))
	g.unwatch = context.AfterFunc(ctx, func() { conn.Close() })
	if err := g.tls.HandshakeContext(ctx); err != nil {
		return g, fmt.Errorf("mesh: %s: %w", addr, err)
	}
	if err := g.exchange(); err != nil {
		return g, err
	}
	return g, nil
}

// settled ends the handshake's limits: from here on, the connection is somebody's.
func (g *greeting) settled() error {
	if !g.unwatch() {
		return net.ErrClosed
	}
	return g.wire.SetDeadline(time.Time{})
}

// exchange sends our hello and proof and reads theirs. Both go at once: neither side need wait for the other.
func (g *greeting) exchange() error {
	state := g.tls.ConnectionState()
	key, err := peerKey(state)
	if err != nil {
		return err
	}
	exporter, err := state.ExportKeyingMaterial("EXPORTER-tcpctl-mesh", nil, 32)
	if err != nil {
		return fmt.Errorf("mesh: exporter: %w", err)
	}
	ours := g.node.id.key.Public()
	body, err := json.Marshal(g.mine)
	if err != nil {
		return fmt.Errorf("mesh: hello: %w", err)
	}
	b := binding{exporter: exporter, client: key, server: keyBytes(ours), clientSaysIt: g.dialed, hello: body}
	if g.dialed {
		b.client, b.server = b.server, b.client
	}
	secrets := g.node.cfg.Secrets
	if err := writeFrame(g.tls, body); err != nil {
		return err
	}
	if err := writeFrame(g.tls, proofs(secrets, b)); err != nil {
		return err
	}
	said, err := readFrame(g.tls, maxHello)
	if err != nil {
		return fmt.Errorf("mesh: hello from %s: %w", g.addr, err)
	}
	proof, err := readFrame(g.tls, maxSecrets*32)
	if err != nil {
		return fmt.Errorf("mesh: proof from %s: %w", g.addr, err)
	}
	if g.theirs, err = parseHello(said); err != nil {
		return g.locate(err)
	}
	b.hello, b.clientSaysIt = said, !g.dialed
	g.trusted = len(secrets) > 0 && proved(secrets, b, proof)
	return g.locate(g.node.acceptable(g.theirs, g.trusted, len(proof) > 0))
}

var errSelf = errors.New("mesh: this is ourselves")

// acceptable applies what holds for every connection, before who is connected already is looked at.
func (n *Node) acceptable(theirs hello, trusted, offered bool) error {
	switch {
	case theirs.Boot == n.id.boot:
		return errSelf
	case theirs.Mesh != n.cfg.Name:
		return &RefusedError{Reason: meshinfo.ReasonMesh, Detail: fmt.Sprintf("it is of mesh %q, we are of %q", theirs.Mesh, n.cfg.Name)}
	case len(n.cfg.Secrets) > 0 && !trusted && !offered:
		return &RefusedError{Reason: meshinfo.ReasonSecret, Detail: "it has no secret, and this mesh has one"}
	case len(n.cfg.Secrets) > 0 && !trusted:
		return &RefusedError{Reason: meshinfo.ReasonSecret, Detail: "its secret is another one"}
	case len(n.cfg.Secrets) == 0 && offered:
		return &RefusedError{Reason: meshinfo.ReasonSecret, Detail: "it has a secret, and we have none"}
	case theirs.ID == n.id.id:
		return &RefusedError{Reason: meshinfo.ReasonSameID, Detail: "both are " + n.id.id}
	}
	return nil
}

// locate completes a refusal with who was refused.
func (g *greeting) locate(err error) error {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		r.Addr = g.addr.String()
		if r.Peer == "" {
			r.Peer = g.theirs.Name
		}
		r.ID = g.theirs.ID
	}
	return err
}

// answer tells the other side what we think of its hello: nil is yes.
func (g *greeting) answer(err error) error {
	v := verdict{OK: err == nil}
	if r, ok := errors.AsType[*RefusedError](err); ok {
		v.Reason, v.Detail = r.Reason, g.node.cfg.Node+" says: "+string(r.Reason)
	} else if err != nil {
		v.Reason = "error"
	}
	body, jsonErr := json.Marshal(v)
	if jsonErr != nil {
		return jsonErr
	}
	return writeFrame(g.tls, body)
}

// hear reads their answer.
func (g *greeting) hear() error {
	body, err := readFrame(g.tls, maxHello)
	if err != nil {
		return fmt.Errorf("mesh: verdict from %s: %w", g.addr, err)
	}
	v, err := parseVerdict(body)
	if err != nil || v.OK {
		return err
	}
	return g.locate(&RefusedError{Reason: v.Reason, Detail: v.Detail, ByPeer: true})
}

// decide exchanges the verdicts. The lower id says first what it thinks, and then the higher one has the last word: so
// two nodes never come to different conclusions about which of two connections stays. check is our own opinion;
// begun is what begin has returned.
func (g *greeting) decide(begun error, check func() error) error {
	opinion := func() error {
		if begun != nil {
			return begun
		}
		return check()
	}
	if g.theirs.ID < g.node.id.id { // we are the higher one
		if err := g.hear(); err != nil {
			return firstReal(begun, err)
		}
		err := opinion()
		return firstReal(err, g.answer(err))
	}
	err := opinion()
	if sent := g.answer(err); err != nil || sent != nil {
		_ = g.hear() // lets them read ours before we close; what they say changes nothing
		return firstReal(err, sent)
	}
	return g.hear()
}

func firstReal(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) hello(kind string) hello {
	return hello{
		Protocol: 1, Mesh: n.cfg.Name, ID: n.id.id, Boot: n.id.boot, Name: n.cfg.Node, Version: n.cfg.Version,
		Kind: kind, Port: n.listen.Port(), Addrs: tellable(reachable(n.listen), n.listen.Port()), Time: time.Now(),
	}
}
