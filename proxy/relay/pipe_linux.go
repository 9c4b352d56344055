package relay

import (
	"sync"

	"golang.org/x/sys/unix"
)

// maxPipes bounds the pipes of one process. A user other than root may have 64 MiB of
// them (pipe-user-pages-soft); beyond that, new ones have 8 KiB, and splicing costs
// more than it saves.
const maxPipes = 32

// A pipeSize of 256 KiB cost 40 % more cpu.
const pipeSize = 1 << 20

// pipe carries bytes from one socket to another inside the kernel.
type pipe struct {
	r, w int
	size int
}

// pipes is a bounded pool. A pipe is held only while a stream fills it.
type pipes struct {
	mu   sync.Mutex
	free []*pipe
	made int
}

// get returns an empty pipe, nil if none is available.
func (p *pipes) get() *pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		last := p.free[n-1]
		p.free = p.free[:n-1]
		return last
	}
	if p.made >= maxPipes {
		return nil
	}
	var fds [2]int
	if unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil // out of descriptors: copy with buffers instead
	}
	size, err := unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil || size < pipeSize {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil
	}
	p.made++
	return &pipe{r: fds[0], w: fds[1], size: size}
}

// put takes an empty pipe back; one that contains bytes is closed.
func (p *pipes) put(x *pipe, empty bool) {
	if x == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if empty && len(p.free) < maxPipes/4 {
		p.free = append(p.free, x)
		return
	}
	x.close()
	p.made--
}

func (p *pipes) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.free {
		x.close()
		p.made--
	}
	p.free = nil
}

func (x *pipe) close() {
	unix.Close(x.r)
	unix.Close(x.w)
}
