package member

import "time"

// SetSayWithin is for a Member whose window does nothing yet.
func SetSayWithin(m *Member, d time.Duration) { m.sayWithin = d }
