//go:build !linux

package filewatch

// notifier reports nothing on these systems: files are polled.
type notifier struct{}

func newNotifier() notifier { return notifier{} }

func (notifier) changes() <-chan struct{} { return nil }
func (notifier) watch([]string) bool      { return false }
func (notifier) close()                   {}
