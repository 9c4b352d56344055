package proxy

import "testing"

// TestDescriptorsAreDivided so that all parts fit together, even with the smallest
// limits.
func TestDescriptorsAreDivided(t *testing.T) {
	for _, limit := range []int{32, 64, 256, 1024, 4096, 65536, 1 << 20, 1 << 30} {
		d := divideDescriptors(limit, 0)
		t.Logf("%d: %+v", limit, d)
		reserve := limit - 2*d.Sessions
		if d.Sessions < limit/3 || d.Control < 4 || d.Metrics < 2 || d.Checks < 4 || d.Control+d.Metrics+d.Checks > reserve || d.Files < 1 ||
			limit > 32 && d.Control+d.Metrics+d.Checks+2*d.Files > reserve {
			t.Errorf("%d: %+v leaves a reserve of %d", limit, d, reserve)
		}
		if d.Mesh < 8 || limit >= 64 && d.Control+d.Metrics+d.Checks+d.Mesh > reserve {
			t.Errorf("%d: %+v leaves a reserve of %d, with a mesh", limit, d, reserve)
		}
	}
	if d := divideDescriptors(1024, 7); d.Sessions != 7 {
		t.Errorf("max_sessions is not kept: %+v", d)
	}
}
