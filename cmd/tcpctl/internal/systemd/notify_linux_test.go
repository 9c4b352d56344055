package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const patience = time.Minute

// manager is systemd's end of the notify socket.
type manager struct {
	testing.TB
	*net.UnixConn
}

func listen(t *testing.T, name string) *manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &manager{t, c}
}

// hears returns the fields of the next message.
func (m *manager) hears() map[string]string {
	m.Helper()
	var buf [4096]byte
	m.SetReadDeadline(time.Now().Add(patience))
	n, err := m.Read(buf[:])
	if err != nil {
		m.Fatal(err)
	}
	fields := map[string]string{}
	for _, line := range strings.Split(string(buf[:n]), "\n") {
		k, v, ok := strings.Cut(line, "=")
		if !ok {
			m.Errorf("not a field: %q", line)
		}
		fields[k] = v
	}
	return fields
}

func TestALifeIsTold(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@tcpctl-test-%d", os.Getpid())} {
		m := listen(t, name)
		us := Take()
		if v, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
			t.Errorf("programs that we run would notify %s", v)
		}
		pid := fmt.Sprint(os.Getpid())
		for _, step := range []struct {
			say  func() error
			want map[string]string
		}{
			{func() error { return us.Ready("2 services,\n4 backends") }, map[string]string{"READY": "1", "MAINPID": pid, "STATUS": "2 services, 4 backends"}},
			{us.Reloading, map[string]string{"RELOADING": "1", "STATUS": "reloading"}},
			{func() error { return us.HandOver(99) }, map[string]string{"MAINPID": "99"}},
			{func() error { return us.Stopping(30*time.Second, "draining") }, map[string]string{"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "40000000", "STATUS": "draining"}},
		} {
			if err := step.say(); err != nil {
				t.Fatal(err)
			}
			got := m.hears()
			for k, v := range step.want {
				if got[k] != v {
					t.Errorf("%s is %q, want %q", k, got[k], v)
				}
			}
			if usec, has := got["MONOTONIC_USEC"]; has != (got["RELOADING"] != "") || has && len(usec) < 6 {
				t.Errorf("monotonic time %q in %v", usec, got)
			}
		}
	}
}

func TestWithoutAManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	m := Take()
	for _, err := range []error{m.Ready(""), m.Reloading(), m.Stopping(0, ""), m.HandOver(1)} {
		if err != nil {
			t.Error(err)
		}
	}
	m.KeepAlive(func(context.Context) error { t.Error("was asked"); return nil }, slog.Default())()
	if env := m.Env(); len(env) > 0 {
		t.Errorf("%v", env)
	}
	claimed, rest, err := m.Claim("db", []string{"127.0.0.1:1"})
	if len(claimed) > 0 || len(rest) != 1 || err != nil || m.Unclaimed() != nil {
		t.Error(claimed, rest, err)
	}
}

func TestAManagerThatHasGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Take().Ready(""); err == nil || !strings.HasPrefix(err.Error(), "systemd: ") {
		t.Error(err)
	}
}

func TestWatchdog(t *testing.T) {
	m := listen(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	us := Take()
	if got := strings.Join(us.Env(), " "); !strings.HasSuffix(got, "/notify WATCHDOG_USEC=20000") {
		t.Errorf("the next process gets %s", got)
	}
	var hangs atomic.Bool
	asked := make(chan bool, 1000)
	stop := us.KeepAlive(func(ctx context.Context) error {
		if !hangs.Load() {
			return nil
		}
		<-ctx.Done()
		asked <- true
		return errors.New("the engine does not answer")
	}, slog.New(slog.DiscardHandler))
	for range 3 {
		if got := m.hears(); got["WATCHDOG"] != "1" {
			t.Errorf("%v", got)
		}
	}
	hangs.Store(true)
	<-asked // from now on there are no signs of life
	for m.SetReadDeadline(time.Now().Add(time.Millisecond)); ; {
		if _, err := m.Read(make([]byte, 100)); err != nil {
			break
		}
	}
	<-asked
	<-asked
	m.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := m.Read(make([]byte, 100)); err == nil {
		t.Error("a hanging engine was reported alive")
	}
	stop()
}

// TestWatchdogOfAnother: a watchdog of another process is ignored.
func TestWatchdogOfAnother(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "1")
	if m := Take(); m.watchdog != 0 {
		t.Errorf("%s", m.watchdog)
	}
}
