//go:build !linux

package abort

// Close closes c with a reset.
func Close(c Conn) error {
	c.SetLinger(0)
	return c.Close()
}
