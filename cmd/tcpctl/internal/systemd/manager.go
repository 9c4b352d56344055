// Package systemd is this process's side of a service manager, where one has
// started it: it notifies it of start, reload and stop, and takes the sockets
// that it has opened.
//
//	m := systemd.Take() // first of all
//	listeners, remaining, err := m.Claim("db", []string{"0.0.0.0:5432"})
//	…
//	m.Ready("2 services")
//	defer m.KeepAlive(alive, logger)()
//	…
//	m.Stopping(grace, "draining")
//
// Without one, all of this does nothing. See sd_notify(3) and sd_listen_fds(3).
package systemd

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

const notifySocket = "NOTIFY_SOCKET"

// sendWait bounds the wait for a manager that does not read.
const sendWait = time.Second

// Manager is the service manager. Its methods may be called from any goroutine.
type Manager struct {
	notify   string        // path of its socket; "": no manager
	watchdog time.Duration // the longest time between two signs of life; 0: no limit
	sockets  sockets
}

// Take reads what systemd has put into the environment, and takes it out: a
// program that we run, say a database that we restart, must not notify systemd
// that tcpctl is stopping.
func Take() *Manager {
	m := &Manager{notify: os.Getenv(notifySocket)}
	os.Unsetenv(notifySocket)
	m.watchdog, _ = daemon.SdWatchdogEnabled(true)
	m.sockets.files = activation.Files(true)
	m.sockets.claimed = make([]bool, len(m.sockets.files))
	return m
}

// Env is what a process that takes over from this one needs in its
// environment to notify systemd itself. Sockets go another way.
func (m *Manager) Env() []string {
	var env []string
	if m.notify != "" {
		env = append(env, notifySocket+"="+m.notify)
	}
	if m.watchdog > 0 {
		env = append(env, fmt.Sprintf("WATCHDOG_USEC=%d", m.watchdog.Microseconds()))
	}
	return env
}

// Ready notifies that this process accepts clients, after the start and after
// each reload, and that it is the main process: after an upgrade it is another.
// The status is for systemctl status.
func (m *Manager) Ready(status string) error {
	return m.send(daemon.SdNotifyReady, fmt.Sprintf("MAINPID=%d", os.Getpid()), statusLine(status))
}

// Reloading says that the configuration is read again. Ready must follow, also
// when the new one was refused.
func (m *Manager) Reloading() error {
	return m.send(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), statusLine("reloading"))
}

// Stopping notifies that this process ends by itself within the grace, and asks
// systemd not to kill it until then.
func (m *Manager) Stopping(grace time.Duration, status string) error {
	timeout := grace + 10*time.Second // plus time for what follows the sessions' end
	return m.send(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", timeout.Microseconds()), statusLine(status))
}

// HandOver notifies that the process pid is the main process from now on. The
// old one does so too, not only the new one with Ready, because a unit may
// accept notifications from its main process only (NotifyAccess=main).
func (m *Manager) HandOver(pid int) error { return m.send(fmt.Sprintf("MAINPID=%d", pid)) }

// statusLine makes text one line, as a field must be.
func statusLine(text string) string {
	return "STATUS=" + strings.Join(strings.Fields(text), " ")
}

func (m *Manager) send(fields ...string) error {
	if m.notify == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.notify, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(sendWait))
	if _, err := c.Write([]byte(strings.Join(fields, "\n"))); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}
