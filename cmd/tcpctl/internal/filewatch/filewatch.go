// Package filewatch notices changed files (lists of clients, secrets) so that they are read again.
// On Linux the kernel reports changes (inotify); elsewhere, and for changes that it does not
// report, such as those on a file server, files are polled.
package filewatch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// File is something that was read from a file.
type File interface {
	Path() string
	// Refresh reads the file again if it has changed; if that fails, the old content stays in
	// force.
	Refresh()
}

// Watcher refreshes files. Make it with New, and end it with Close. Its methods
// may be called from any goroutine.
type Watcher struct {
	notifier notifier // reports changes in folders
	set      chan []File
	done     chan struct{}
	once     sync.Once
	working  sync.WaitGroup
}

// New makes a Watcher of no files.
func New() *Watcher {
	w := &Watcher{notifier: newNotifier(), set: make(chan []File), done: make(chan struct{})}
	w.working.Go(w.run)
	return w
}

// Set makes the files those that are watched, and has each refreshed once: it
// may have changed since it was read.
func (w *Watcher) Set(files []File) {
	select {
	case w.set <- files:
	case <-w.done:
	}
}

// Close ends watching, and waits for a refresh that is under way.
func (w *Watcher) Close() {
	w.once.Do(func() { close(w.done) })
	w.working.Wait()
}

const (
	// settle combines changes that happen together, as when a temporary file is written and then
	// renamed.
	settle = 20 * time.Millisecond
	// lookAgain is how often files are polled if the kernel watches all their folders; lookSoon if
	// it does not.
	lookAgain = time.Minute
	lookSoon  = 2 * time.Second
)

func (w *Watcher) run() {
	defer w.notifier.close()
	timer := time.NewTimer(lookAgain)
	defer timer.Stop()
	var files []File
	for {
		select {
		case files = <-w.set:
		case <-w.notifier.changes():
			if !w.sleep(settle) {
				return
			}
		case <-timer.C:
		case <-w.done:
			return
		}
		// Watch the folders before reading: all later changes are reported.
		watched := w.notifier.watch(folders(files))
		for _, f := range files {
			f.Refresh()
		}
		if watched {
			timer.Reset(lookAgain)
		} else {
			timer.Reset(lookSoon)
		}
		if len(files) == 0 {
			timer.Stop()
		}
	}
}

// sleep waits for a change or a poll, and returns false at the end of the watcher.
func (w *Watcher) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-w.done:
		return false
	}
}

// folders returns the folders of the files, and of the symlinks on the way to them.
func folders(files []File) (all []string) {
	for _, f := range files {
		path, err := filepath.Abs(f.Path())
		for links := 0; err == nil && links < maxLinks; links++ {
			name, rest := firstLink(path)
			if dir := filepath.Dir(name); !slices.Contains(all, dir) {
				all = append(all, dir)
			}
			if rest == "" && name == path && !isLink(name) {
				break
			}
			target, readErr := os.Readlink(name)
			if readErr != nil {
				break
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(name), target)
			}
			path = filepath.Join(target, rest)
		}
	}
	return all
}

const maxLinks = 40 // in one path, Linux's limit

// firstLink returns the first part of a path that is a symlink, and the rest; the path itself if
// there is none.
func firstLink(path string) (name, rest string) {
	for i := 1; i < len(path); i++ {
		if path[i] == filepath.Separator && isLink(path[:i]) {
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&os.ModeSymlink != 0
}

// Stamp tells one content of a file from the next. The zero value is of none.
type Stamp struct {
	info os.FileInfo
	err  string
}

// Changed says whether a file is another one than at the last call, or cannot be
// looked at for another reason.
func (s *Stamp) Changed(path string) bool {
	info, err := os.Stat(path)
	now := Stamp{info: info}
	if err != nil {
		now = Stamp{err: err.Error()}
	}
	was := *s
	*s = now
	switch {
	case was.info == nil || now.info == nil:
		return was.info != nil || now.info != nil || was.err != now.err
	}
	return !was.info.ModTime().Equal(now.info.ModTime()) || was.info.Size() != now.info.Size() || !os.SameFile(was.info, now.info)
}

// Failed says that the content could not be read. An error of the system, such as a lack of
// descriptors or of permission, says nothing about the content: the next Changed is true.
func (s *Stamp) Failed(err error) {
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		*s = Stamp{}
	}
}
