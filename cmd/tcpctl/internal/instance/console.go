package instance

import "context"

// hostedConsole is this process's console. A nil one does nothing.
type hostedConsole struct {
	hangup chan struct{}
	done   chan consoleResult
	cancel context.CancelFunc // nil: the console has ended
}

type consoleResult struct {
	end ConsoleEnd
	err error
}

// openConsole starts the console, if there should be one.
func (in *Instance) openConsole() *hostedConsole {
	if in.console == nil {
		return nil
	}
	c := &hostedConsole{hangup: make(chan struct{}, 1), done: make(chan consoleResult, 1)}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	go func() {
		end, err := in.console(ctx, in, c.hangup)
		c.done <- consoleResult{end, err}
	}()
	return c
}

// ended returns a channel that receives once, how the console has ended.
func (c *hostedConsole) ended() <-chan consoleResult {
	if c == nil {
		return nil
	}
	return c.done
}

// hungUp tells the console that its terminal is lost. It returns false if no console runs.
func (c *hostedConsole) hungUp() bool {
	if c == nil || c.cancel == nil {
		return false
	}
	select {
	case c.hangup <- struct{}{}:
	default:
	}
	return true
}

// close ends the console and waits until it has restored the terminal.
func (c *hostedConsole) close() {
	if c == nil || c.cancel == nil {
		return
	}
	c.cancel()
	<-c.done
	c.cancel = nil
}

// consoleEnded continues without the console.
func (in *Instance) consoleEnded(c *hostedConsole, r consoleResult) {
	c.cancel()
	c.cancel = nil
	if r.err != nil {
		in.log.Error("the console has ended: " + r.err.Error())
	}
	// Without a console, log lines may go to stderr again, unless the terminal is lost.
	in.mu.Lock()
	in.quiet = r.end == ConsoleHungUp
	in.mu.Unlock()
	if err := in.log.Set(logConfig(in.File(), in.isQuiet())); err != nil {
		in.log.Warn("log: " + err.Error())
	}
}
