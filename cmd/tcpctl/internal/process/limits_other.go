//go:build !unix

package process

// limits returns nothing: this system has no setrlimit.
func limits() []Limit { return []Limit{} }
