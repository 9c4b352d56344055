package mesh

import (
	"cmp"
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

// handshake is a handshake in progress: TLS, then a hello, a proof and a verdict from each side.
type handshake struct {
	node    *Node
	tls     *tls.Conn
	wire    *wire
	dialed  bool
	addr    netip.AddrPort // the other side's
	mine    hello
	theirs  hello
	trusted bool        // both sides have proved a common secret
	detach  func() bool // stops the end of startHandshake's ctx from closing the connection
}

// startHandshake runs everything up to the verdicts, within Config.HandshakeTimeout. On an error the caller closes the
// connection. The handshake is never nil: it has what was read before the error.
func (n *Node) startHandshake(ctx context.Context, conn net.Conn, addr netip.AddrPort, dialed bool, mine hello) (*handshake, error) {
	h := &handshake{node: n, dialed: dialed, addr: addr, mine: mine, wire: newWire(conn, n.started)}
	if dialed {
		h.tls = tls.Client(h.wire, n.id.tls)
	} else {
		h.tls = tls.Server(h.wire, n.id.tls)
	}
	conn.SetDeadline(time.Now().Add(n.cfg.HandshakeTimeout))
	h.detach = context.AfterFunc(ctx, func() { conn.Close() })
	if err := h.tls.HandshakeContext(ctx); err != nil {
		return h, fmt.Errorf("mesh: %s: %w", addr, err)
	}
	if err := h.exchangeHellos(); err != nil {
		return h, err
	}
	return h, nil
}

// finish removes the deadline and detaches the connection from ctx: it has an owner now.
func (h *handshake) finish() error {
	if !h.detach() {
		return net.ErrClosed
	}
	return h.wire.SetDeadline(time.Time{})
}

// exchangeHellos sends our hello and proof, then reads theirs: neither side waits for the other before it sends.
func (h *handshake) exchangeHellos() error {
	state := h.tls.ConnectionState()
	key, err := peerKey(state)
	if err != nil {
		return err
	}
	exporter, err := state.ExportKeyingMaterial("EXPORTER-tcpctl-mesh", nil, 32)
	if err != nil {
		return fmt.Errorf("mesh: exporter: %w", err)
	}
	body, err := json.Marshal(h.mine)
	if err != nil {
		return fmt.Errorf("mesh: hello: %w", err)
	}
	b := binding{exporter: exporter, client: key, server: keyBytes(h.node.id.key.Public()), fromClient: h.dialed, hello: body}
	if h.dialed {
		b.client, b.server = b.server, b.client
	}
	secrets := h.node.cfg.Secrets
	if err := writeFrame(h.tls, body); err != nil {
		return err
	}
	if err := writeFrame(h.tls, proofs(secrets, b)); err != nil {
		return err
	}
	their, err := readFrame(h.tls, maxHello)
	if err != nil {
		return fmt.Errorf("mesh: hello from %s: %w", h.addr, err)
	}
	proof, err := readFrame(h.tls, maxSecrets*32)
	if err != nil {
		return fmt.Errorf("mesh: proof from %s: %w", h.addr, err)
	}
	if h.theirs, err = parseHello(their); err != nil {
		return h.complete(err)
	}
	b.hello, b.fromClient = their, !h.dialed
	h.trusted = len(secrets) > 0 && proved(secrets, b, proof)
	return h.complete(h.node.acceptable(h.theirs, h.trusted, len(proof) > 0))
}

var errSelf = errors.New("mesh: the address is this node's own")

// acceptable decides whether a node with this hello may connect at all, whichever nodes are connected.
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

// complete adds the peer to a refusal.
func (h *handshake) complete(err error) error {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		r.Addr = h.addr.String()
		r.Peer = cmp.Or(r.Peer, h.theirs.Name)
		r.ID = h.theirs.ID
	}
	return err
}

// sendVerdict answers the other side's hello: nil accepts it.
func (h *handshake) sendVerdict(err error) error {
	v := verdict{OK: err == nil}
	if r, ok := errors.AsType[*RefusedError](err); ok {
		v.Reason, v.Detail = r.Reason, h.node.cfg.Node+": "+string(r.Reason)
	} else if err != nil {
		v.Reason = "error"
	}
	body, jsonErr := json.Marshal(v)
	if jsonErr != nil {
		return jsonErr
	}
	return writeFrame(h.tls, body)
}

// readVerdict reads the other side's answer to our hello.
func (h *handshake) readVerdict() error {
	body, err := readFrame(h.tls, maxHello)
	if err != nil {
		return fmt.Errorf("mesh: verdict from %s: %w", h.addr, err)
	}
	v, err := parseVerdict(body)
	if err != nil || v.OK {
		return err
	}
	return h.complete(&RefusedError{Reason: v.Reason, Detail: v.Detail, ByPeer: true})
}

// exchangeVerdicts returns nil if both sides accept. The node with the lower id sends its verdict first and the other decides
// last, so two nodes never disagree about which of two connections stays. startErr is startHandshake's error; if it is nil,
// check gives our verdict.
func (h *handshake) exchangeVerdicts(startErr error, check func() error) error {
	ours := func() error {
		if startErr != nil {
			return startErr
		}
		return check()
	}
	if h.theirs.ID < h.node.id.id { // ours is the higher id
		if err := h.readVerdict(); err != nil {
			return firstError(startErr, err)
		}
		err := ours()
		return firstError(err, h.sendVerdict(err))
	}
	err := ours()
	if sent := h.sendVerdict(err); err != nil || sent != nil {
		_ = h.readVerdict() // only so that the other side can read ours before we close
		return firstError(err, sent)
	}
	return h.readVerdict()
}

func firstError(errs ...error) error {
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
		Kind: kind, Port: n.listen.Port(), Addrs: shareableAddrs(reachable(n.listen), n.listen.Port()), Time: time.Now(),
	}
}
