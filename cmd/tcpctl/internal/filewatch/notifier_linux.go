package filewatch

import (
	"os"

	"golang.org/x/sys/unix"
)

// notifier uses inotify.
type notifier struct {
	file  *os.File // the inotify descriptor; nil: not available
	wake  chan struct{}
	ended chan struct{}
}

// said are the events that can change the file of a name: it was written and closed, another one
// was moved there, its link or its folder was changed. A write alone does not count: the file may
// be half written.
const said = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_ATTRIB |
	unix.IN_MOVE_SELF | unix.IN_DELETE_SELF | unix.IN_ONLYDIR

func newNotifier() notifier {
	n := notifier{wake: make(chan struct{}, 1), ended: make(chan struct{})}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		close(n.ended)
		return n
	}
	n.file = os.NewFile(uintptr(fd), "inotify")
	go n.read()
	return n
}

// read signals once for any number of events. It ends when the file is closed.
func (n notifier) read() {
	defer close(n.ended)
	events := make([]byte, 16<<10)
	for {
		if _, err := n.file.Read(events); err != nil {
			return
		}
		select {
		case n.wake <- struct{}{}:
		default:
		}
	}
}

func (n notifier) changes() <-chan struct{} { return n.wake }

// watch adds folders, and reports whether all are watched. Folders are never removed: one that is
// no longer needed only causes needless wake-ups until the watcher ends.
func (n notifier) watch(folders []string) bool {
	if n.file == nil {
		return false
	}
	raw, err := n.file.SyscallConn()
	if err != nil {
		return false
	}
	all := true
	raw.Control(func(fd uintptr) {
		for _, dir := range folders {
			if _, err := unix.InotifyAddWatch(int(fd), dir, said); err != nil {
				all = false
			}
		}
	})
	return all
}

func (n notifier) close() {
	if n.file != nil {
		n.file.Close()
	}
	<-n.ended
}
