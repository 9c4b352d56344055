package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tcpctl/tcpctl/proxy"
)

// replaced has a service and a backend that are being removed, each with a successor of its name,
// and one of each without.
func replaced() *Status {
	backend := func(name string, removing bool, active int) proxy.BackendInfo {
		return proxy.BackendInfo{Name: name, Removing: removing, Active: active, Total: 100}
	}
	sum := func(name string, removing bool, active int, backends ...proxy.BackendInfo) proxy.ServiceInfo {
		return proxy.ServiceInfo{Name: name, Removing: removing, Sessions: proxy.SessionCounts{Active: active, Total: 1000},
			Queue: proxy.QueueInfo{Waiting: active, OldestSeconds: float64(active)}, Backends: backends}
	}
	return &Status{Services: []proxy.ServiceInfo{
		sum("gone", true, 1), sum("db", true, 2, backend("a", false, 2)),
		sum("db", false, 3, backend("b", true, 4), backend("c", true, 5), backend("b", false, 6)),
	}}
}

func TestNamed(t *testing.T) {
	t.Parallel()
	s := replaced()
	named := s.Named()
	type row struct {
		name    string
		active  int
		waiting int
		total   int64
	}
	var got []row
	for _, svc := range named.Services {
		got = append(got, row{svc.Name, svc.Sessions.Active, svc.Queue.Waiting, svc.Sessions.Total})
		for _, b := range svc.Backends {
			got = append(got, row{svc.Name + "/" + b.Name, b.Active, 0, b.Total})
		}
	}
	want := []row{{"db", 5, 5, 1000}, {"db/b", 10, 0, 100}, {"db/c", 5, 0, 100}, {"gone", 1, 1, 1000}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(row{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(replaced(), s); diff != "" {
		t.Errorf("the status itself has changed: %s", diff)
	}
	if s := (&Status{Services: s.Services[2:]}); s.Backend("db/b").Removing || !s.Backend("db/c").Removing {
		t.Errorf("%+v", s)
	}
	if s.Service("db").Removing || !s.Service("gone").Removing || s.Service("x") != nil {
		t.Errorf("%+v", s)
	}
}
