package relay

import "time"

// ParkAfter is for tests that do not want to wait for it.
func ParkAfter(d time.Duration) { parkAfter = d }
