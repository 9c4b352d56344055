package proxy_test

import (
	"testing"
	"time"
)

// TestAStopWhileAServiceIsForgotten: a service that a reload has taken away is
// forgotten once it is empty, at whatever moment the engine stops. What it has
// started has ended then: TestMain finds the goroutines otherwise.
func TestAStopWhileAServiceIsForgotten(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		v := start(t, service("db", "127.0.0.1:0", newServer(t, "a")))
		v.apply(service("other", "127.0.0.1:0"))
		time.Sleep(time.Duration(n) * time.Millisecond) // it is looked for every 20 ms
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
