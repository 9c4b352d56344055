package ws

// enqueue leaves a control frame for the next who has the writer lock; flush
// sends it if that is nobody. It reports false after a Close frame, which
// nothing may follow (RFC 6455, section 5.5.1).
func (c *Conn) enqueue(op byte, payload []byte) bool {
	frame := control(op, payload, c.client)
	c.cmu.Lock()
	defer c.cmu.Unlock()
	if c.closeQueued {
		return false
	}
	if op == opClose {
		c.closeQueued = true
	} else if len(c.queue)+len(frame) > maxQueue {
		c.queue = c.queue[:0]
	}
	c.queue = append(c.queue, frame...)
	c.queued.Store(true)
	return true
}

// dequeue makes what is queued owed. wmu is held.
func (c *Conn) dequeue() {
	if !c.queued.Load() {
		return
	}
	c.cmu.Lock()
	defer c.cmu.Unlock()
	c.owed = append(c.owed, c.queue...)
	c.queue = nil
	c.queued.Store(false)
	c.closeSent = c.closeSent || c.closeQueued
}

// flush sends what is queued if that needs no waiting, and has it sent
// otherwise. The reader calls it, and the clock: neither may ever be blocked
// by a peer that does not read.
func (c *Conn) flush() {
	for c.queued.Load() && c.wmu.TryLock() {
		done := c.settleNow()
		c.wmu.Unlock()
		if !done {
			c.startFlusher()
			return
		}
	}
}

// settleNow is settle without waiting; false means that something is left.
func (c *Conn) settleNow() bool {
	if c.broken != nil {
		c.dequeue()
		return true
	}
	if c.raw == nil {
		return false
	}
	c.dequeue()
	n, err := writeNow(c.raw, c.owed)
	c.paid(n)
	if err != nil {
		c.writeFailed(err)
		return true // after a deadline it stays owed, for the next writer
	}
	return len(c.owed) == 0
}

// startFlusher starts the goroutine that waits where flush must not. There is
// at most one; CloseNow ends it and waits for it.
func (c *Conn) startFlusher() {
	c.cmu.Lock()
	defer c.cmu.Unlock()
	if c.gone || !c.flushing.CompareAndSwap(false, true) {
		return
	}
	c.flushers.Add(1)
	go c.flushSlowly()
}

func (c *Conn) flushSlowly() {
	defer c.flushers.Done()
	c.wmu.Lock()
	c.settle()
	// Before the lock is let go, or what is queued now would find a flusher
	// that does not look any more.
	c.flushing.Store(false)
	c.unlockWriter()
}
