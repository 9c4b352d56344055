package ws_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // they wait, and need no processor for it
	goleak.VerifyTestMain(m)
}
