//go:build !unix

package process

// limits: this system has none of setrlimit's.
func limits() []Limit { return []Limit{} }
