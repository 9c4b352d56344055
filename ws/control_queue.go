package ws

// enqueueControl queues a control frame, which the holder of writeMu sends
// before its next frame, or flush if writeMu is free. It does nothing after a
// Close frame, which no frame may follow (RFC 6455, section 5.5.1).
func (c *Conn) enqueueControl(op byte, payload []byte) {
	frame := controlFrame(op, payload, c.client)
	c.controlMu.Lock()
	defer c.controlMu.Unlock()
	if c.closeQueued {
		return
	}
	if op == opClose {
		c.closeQueued = true
	} else if len(c.controlQueue)+len(frame) > maxControlQueue {
		c.controlQueue = c.controlQueue[:0]
	}
	c.controlQueue = append(c.controlQueue, frame...)
	c.hasQueued.Store(true)
}

// dequeueControl moves the queue to unsent. writeMu is held.
func (c *Conn) dequeueControl() {
	if !c.hasQueued.Load() {
		return
	}
	c.controlMu.Lock()
	defer c.controlMu.Unlock()
	c.unsent = append(c.unsent, c.controlQueue...)
	c.controlQueue = nil
	c.hasQueued.Store(false)
	c.closeSent = c.closeSent || c.closeQueued
}

// flush sends the queue if the socket takes it without waiting; otherwise a goroutine
// does. Its callers, the reader and the ping wheel, must never be blocked by a peer
// that does not read.
func (c *Conn) flush() {
	for c.hasQueued.Load() && c.writeMu.TryLock() {
		if f := c.frames; f != nil {
			c.writeMu.Unlock()
			f.host.Wake()
			return
		}
		done := c.tryWriteUnsent()
		c.writeMu.Unlock()
		if !done {
			c.startFlusher()
			return
		}
	}
}

// tryWriteUnsent is writeUnsent without waiting; false means that bytes remain.
func (c *Conn) tryWriteUnsent() bool {
	if c.writeErr != nil {
		c.dequeueControl()
		return true
	}
	var n int
	var err error
	switch l := c.loop.Load(); {
	case l != nil:
		if len(c.unsent) == 0 { // frames stay queued otherwise, where newer pongs replace older ones
			c.dequeueControl()
		}
		n, err = (*l).WriteNow(c.unsent)
	case c.rawConn != nil:
		c.dequeueControl()
		n, err = writeNow(c.rawConn, c.unsent)
	default:
		return false
	}
	c.advanceUnsent(n)
	if err != nil {
		c.writeFailed(err)
		return true // after a deadline the bytes stay in unsent, for the next writer
	}
	return len(c.unsent) == 0
}

// startFlusher starts a goroutine that may block on the socket, as flush must not.
// There is at most one at a time; CloseNow ends it and waits for it. A connection of a
// loop has none, because Attach could not wait for it: what the socket does not take is
// sent with the next frame.
func (c *Conn) startFlusher() {
	c.controlMu.Lock()
	defer c.controlMu.Unlock()
	if c.closed || c.loop.Load() != nil || !c.flushing.CompareAndSwap(false, true) {
		return
	}
	c.flushers.Go(c.flushBlocking)
}

func (c *Conn) flushBlocking() {
	c.writeMu.Lock()
	c.writeUnsent()
	// Before writeMu is unlocked: otherwise a frame queued now would be left to a
	// flusher that no longer looks at the queue.
	c.flushing.Store(false)
	c.unlockWriter()
}
