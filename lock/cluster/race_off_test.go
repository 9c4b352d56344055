//go:build !race

package cluster

// defaultSeeds take some four seconds. CI runs the others, up to 10,000, by themselves.
const defaultSeeds = 2500

// SimSlow: the race detector is on.
const SimSlow = false
