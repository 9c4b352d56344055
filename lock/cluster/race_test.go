//go:build race

package cluster

// One goroutine has no races: a few seeds are enough.
const defaultSeeds = 200

// SimSlow: the race detector is on.
const SimSlow = true
