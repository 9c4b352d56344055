//go:build !unix

package proxy

// sessionBudget: where there is no descriptor limit, memory is one.
func sessionBudget(max int) int {
	if max > 0 {
		return max
	}
	return 1 << 20
}
