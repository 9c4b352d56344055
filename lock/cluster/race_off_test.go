//go:build !race

package cluster

const defaultSeeds = 10_000

// SimSlow: the race detector is on.
const SimSlow = false
