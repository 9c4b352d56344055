package ws_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tcpctl/tcpctl/proxy/proxytest"
)

func TestMain(m *testing.M) {
	proxytest.SetUp(24, 8)
	goleak.VerifyTestMain(m)
}
