//go:build !unix

package proxy

// descriptorLimit is high where there is no such limit, as memory limits then.
func descriptorLimit() int { return 1 << 20 }
