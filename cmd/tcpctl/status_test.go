package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestStatusOfReplacedNames: a service and a backend that are being removed have rows of their own
// next to successors of the same name, and rates of their own.
func TestStatusOfReplacedNames(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
	status := func(second, old, new int64) *api.Status {
		backend := func(removing bool, n int64) proxy.BackendInfo {
			return proxy.BackendInfo{Name: "a", Addr: "127.0.0.1:1", State: proxy.StateUp, Removing: removing, BytesIn: n, BytesOut: n}
		}
		return &api.Status{Node: api.Node{Now: at.Add(time.Duration(second) * time.Second)}, Services: []proxy.ServiceInfo{
			{Name: "db", State: proxy.StateOpen, BytesIn: new, BytesOut: new, Backends: []proxy.BackendInfo{backend(true, old), backend(false, new)}},
			{Name: "db", State: proxy.StateClosed, Removing: true, BytesIn: old, BytesOut: old},
		}}
	}
	rows := statusRows(status(0, 900_000, 50), status(1, 900_700, 150))
	for i, want := range []string{"db open 100 100", "a + up 700 700", "a + up 100 100", "db closed 700 700 removed by a reload; serves its last clients"} {
		row := slices.DeleteFunc(slices.Clone(rows[i]), func(cell string) bool {
			return cell == "" || cell == "0" || cell == "-" || strings.Contains(cell, ":1")
		})
		if got := strings.TrimSpace(strings.Join(row, " ")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWorse: a service that a reload has removed is not expected of a new process.
func TestWorse(t *testing.T) {
	t.Parallel()
	db := proxy.ServiceInfo{Name: "db", Backends: []proxy.BackendInfo{{Name: "a", Eligible: true}}}
	gone := proxy.ServiceInfo{Name: "gone", Removing: true, Backends: db.Backends}
	before := &api.Status{Services: []proxy.ServiceInfo{db, gone}}
	if err := worse(before, &api.Status{Services: []proxy.ServiceInfo{db}}); err != nil {
		t.Error(err)
	}
	if err := worse(before, &api.Status{}); err == nil {
		t.Error("db is not missed")
	}
}
