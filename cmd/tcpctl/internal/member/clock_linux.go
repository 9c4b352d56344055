package member

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Boottime is a clock that goes on while the system sleeps, and that no change of
// the date touches.
func Boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("member: CLOCK_BOOTTIME: " + err.Error()) // cannot happen: each Linux that Go supports has it
	}
	return time.Duration(t.Nano())
}

// A timer calls wake at a time of Boottime. Go's timers stop while the system sleeps: afterwards
// they would be late, by up to their whole remaining time, while sessions continue under a lease
// that is over.
type timer struct {
	fd   int
	file *os.File
	read sync.WaitGroup
}

func newTimer(wake func()) (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &timer{fd: fd, file: os.NewFile(uintptr(fd), "lease timer")}
	t.read.Go(func() {
		var expired [8]byte
		for {
			if _, err := t.file.Read(expired[:]); err != nil {
				return // closed
			}
			wake()
		}
	})
	return t, nil
}

// set makes the timer expire after in, instead of any earlier setting.
func (t *timer) set(in time.Duration) {
	at := unix.NsecToTimespec(int64(max(in, 1))) // 0 would disarm the timer
	unix.TimerfdSettime(t.fd, 0, &unix.ItimerSpec{Value: at}, nil)
}

// stop ends the timer, and waits for a wake in progress.
func (t *timer) stop() {
	t.file.Close()
	t.read.Wait()
}
