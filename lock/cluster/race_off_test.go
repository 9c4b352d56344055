//go:build !race

package cluster

// DefaultSeeds take a second on one core. CI runs more, up to 10,000, separately.
const DefaultSeeds = 500
