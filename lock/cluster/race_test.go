//go:build race

package cluster

// One goroutine has no races: a few seeds are enough.
const DefaultSeeds = 200
