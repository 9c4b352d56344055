package member

import (
	"time"

	"golang.org/x/sys/unix"
)

// Boottime is a clock that goes on while the system sleeps, and that no change of
// the date touches.
func Boottime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("member: CLOCK_BOOTTIME: " + err.Error()) // each Linux that Go runs on has it
	}
	return time.Duration(t.Nano())
}
