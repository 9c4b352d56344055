//go:build !unix

package proxy

// descriptorLimit: where there is no such limit, memory is one.
func descriptorLimit() int { return 1 << 20 }
