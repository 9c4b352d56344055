//go:build !race

package cluster

// DefaultSeeds take a second of one core. CI runs the others, up to 10,000, by themselves.
const DefaultSeeds = 500
