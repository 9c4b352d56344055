package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestOperatorsWithoutAName: a program that gives no By gets sentences all the same.
func TestOperatorsWithoutAName(t *testing.T) {
	v := start(t, proxy.ServiceConfig{}, newServer(t, "a"))
	v.untilUp()
	backend := v.svc.Backend("a")
	v.must(backend.Drain(proxy.DrainOptions{}))
	_, again := backend.Drain(proxy.DrainOptions{})
	v.must(backend.Ready("", ""))
	window, err := v.svc.StartWindow(proxy.PlanOptions{Max: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	_, second := v.svc.StartWindow(proxy.PlanOptions{})
	v.untilState(proxy.StatePaused)
	_, paused := v.svc.Pause(proxy.PauseOptions{By: "ana"})
	_, resume := v.svc.Resume(proxy.ResumeOptions{By: "ana"})
	owner := window.Heartbeat("another token", 0)
	window.Abort("")
	<-window.Done()
	for _, text := range []string{fmt.Sprint(again), fmt.Sprint(second), fmt.Sprint(paused), fmt.Sprint(resume), fmt.Sprint(owner), window.Report().Error} {
		if !strings.Contains(text, "an operator") {
			t.Errorf("%q: want an operator in it", text)
		}
	}
}
