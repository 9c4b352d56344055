//go:build !race

package cluster

// defaultSeeds take some two seconds. CI runs the others, up to 10,000, by themselves.
const defaultSeeds = 1000

// SimSlow: the race detector is on.
const SimSlow = false
