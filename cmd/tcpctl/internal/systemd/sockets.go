package systemd

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
)

// sockets are the sockets that systemd opened for us. Like systemd's own, they stay open for as
// long as the process lives, so that a service can be closed and opened again, or added by a
// reload.
type sockets struct {
	mu      sync.Mutex
	files   []*os.File // their names are the FileDescriptorNames
	claimed []bool
}

// Sockets are those that systemd has opened, by their names, for a process
// that takes over and Adopts them. They stay the manager's.
func (m *Manager) Sockets() []*os.File {
	s := &m.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files)
}

// Adopt takes what systemd had opened for the process before this one.
func (m *Manager) Adopt(files []*os.File) {
	s := &m.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = append(s.files, files...)
	s.claimed = append(s.claimed, make([]bool, len(files))...)
}

// Claim gives a service its sockets, and the remaining listen addresses, which it
// has to open itself. A socket whose FileDescriptorName is the service's name is
// its socket, wherever it listens, and then no address remains; else one whose
// address is one of listen's. The caller owns the listeners, and may claim again.
//
// As long as systemd holds a socket, closing its listener refuses no client:
// clients wait in the system's backlog until it is claimed again.
func (m *Manager) Claim(service string, listen []string) (claimed []net.Listener, remaining []string, err error) {
	s := &m.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if err != nil {
			for _, ln := range claimed {
				ln.Close()
			}
			claimed, remaining = nil, nil
		}
	}()
	for i, f := range s.files {
		if f.Name() != service {
			continue
		}
		ln, err := net.FileListener(f)
		if err != nil {
			return claimed, nil, fmt.Errorf("systemd: the socket %q does not accept connections: %w; its unit needs ListenStream= and Accept=no", f.Name(), err)
		}
		claimed, s.claimed[i] = append(claimed, ln), true
	}
	if len(claimed) > 0 {
		return claimed, nil, nil
	}
	for _, addr := range listen {
		ln := s.at(addr)
		if ln == nil {
			remaining = append(remaining, addr)
			continue
		}
		claimed = append(claimed, ln)
	}
	return claimed, remaining, nil
}

// at returns a listener for the socket that listens at addr, or nil.
func (s *sockets) at(addr string) net.Listener {
	for _, want := range addresses(addr) {
		for i, f := range s.files {
			ln, err := net.FileListener(f)
			if err != nil {
				continue // a datagram socket or a connection
			}
			if addressOf(ln) == want {
				s.claimed[i] = true
				return ln
			}
			ln.Close()
		}
	}
	return nil
}

// Unclaimed names the sockets that no service has claimed, for a warning: their
// clients are never accepted.
func (m *Manager) Unclaimed() []string {
	s := &m.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for i, f := range s.files {
		if s.claimed[i] {
			continue
		}
		name := f.Name()
		if ln, err := net.FileListener(f); err == nil {
			name += " at " + addressOf(ln)
			ln.Close()
		}
		names = append(names, name)
	}
	return names
}

// addresses returns the socket addresses that match a configured address, the best first.
func addresses(addr string) []string {
	if strings.HasPrefix(addr, "unix:") {
		return []string{addr}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil
	}
	if n, err := net.LookupPort("tcp", port); err == nil {
		port = fmt.Sprint(n)
	}
	ip := net.ParseIP(host)
	any4, any6 := net.JoinHostPort("0.0.0.0", port), net.JoinHostPort("::", port)
	switch {
	case host == "":
		return []string{any6, any4}
	case host == "0.0.0.0": // one socket often serves both families
		return []string{any4, any6}
	case ip != nil:
		return []string{net.JoinHostPort(ip.String(), port)}
	}
	var all []string
	ips, _ := net.LookupHost(host)
	for _, ip := range ips {
		all = append(all, net.JoinHostPort(ip, port))
	}
	return all
}

func addressOf(ln net.Listener) string {
	if ln.Addr().Network() == "unix" {
		return "unix:" + ln.Addr().String()
	}
	return ln.Addr().String()
}
