package tlsrecord

import (
	"crypto/tls"
	"fmt"
	"testing"
)

func TestServerExchangesWithCryptoTLS(t *testing.T) {
	for _, curves := range [][]tls.CurveID{nil, {tls.CurveP384}} {
		for _, tickets := range []bool{true, false} {
			for _, size := range []int{0, 1, maxContent, maxContent + 1, 1 << 20} {
				t.Run(fmt.Sprint(curves, tickets, size), func(t *testing.T) {
					server, client := configs(t)
					server.SessionTicketsDisabled = !tickets
					server.CurvePreferences = curves
					h, over, c := shaken(t, server, client)
					if h.Session == nil || h.Conn != nil {
						t.Fatal("not taken over")
					}
					if h.State.HelloRetryRequest != (curves != nil) {
						t.Error("HelloRetryRequest:", h.State.HelloRetryRequest)
					}
					exchange(t, over, c, size)
				})
			}
		}
	}
}
