package proxy_test

import (
	"testing"
	"time"
)

// TestAStopWhileAServiceIsForgotten: a service that a reload has removed is forgotten
// once empty, whenever the engine stops. Everything that it started has ended then:
// otherwise TestMain finds the goroutines.
func TestAStopWhileAServiceIsForgotten(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		v := start(t, service("db", "127.0.0.1:0", newServer(t, "a")))
		v.apply(service("other", "127.0.0.1:0"))
		time.Sleep(time.Duration(n) * time.Millisecond) // checked every 20 ms
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
