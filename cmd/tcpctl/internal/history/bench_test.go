package history

import (
	"database/sql"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// thirtyDays makes a file as thirty days of a busy instance with ten services of four backends
// leave it, and returns its size.
func thirtyDays(t testing.TB) (r *Recorder, now time.Time, bytes int64) {
	file := t.TempDir() + "/history.db"
	now = time.Now().Truncate(time.Hour).Add(17 * time.Minute)
	e := &engine{now: now}
	for n := range 10 {
		e.services = append(e.services, service(fmt.Sprintf("s%d", n), "a", "b", "c", "d"))
	}
	s, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	st, _ := e.Status(ctx)
	st.Node.Now = now.Add(-30 * 24 * time.Hour)
	if err := s.put(st, &batch{now: st.Node.Now, status: st, earlier: &earlier{}}, time.Hour, ""); err != nil {
		t.Fatal(err)
	}
	run := func(query string, args ...any) {
		if _, err := s.write.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	run("PRAGMA synchronous = OFF")
	fill := func(l int, keep time.Duration) {
		step := levels[l].step
		from, to := now.Add(-keep).Unix()/step*step, now.Unix()/step*step
		rows := fmt.Sprintf("WITH RECURSIVE t(at) AS (SELECT %d UNION ALL SELECT at+%d FROM t WHERE at+%d < %d) ", from, step, step, to)
		run(rows+"INSERT OR REPLACE INTO "+services.at(l)+" SELECT at, id, 0, 120+at%37, at%5, ?1+at%11, ?1+at%11, at%3, 0, 0, at%2, at%7, 104857*?1, 1048576*?1, 150+at%300, 850*?1 FROM t, things WHERE backend = ''", 20*step)
		run(rows+"INSERT OR REPLACE INTO "+backends.at(l)+" SELECT at, id, 0, 30+at%17, ?1+at%7, 0, 26214*?1, 262144*?1, 300+at%900 FROM t, things WHERE backend <> ''", 5*step)
	}
	const month = 30 * 24 * time.Hour
	for l, keep := range []time.Duration{10 * time.Minute, 6 * time.Hour, month, month, month} {
		fill(l, keep)
	}
	minutes := fmt.Sprintf("WITH RECURSIVE t(at) AS (SELECT %d UNION ALL SELECT at+60 FROM t WHERE at+60 < %d), c(n) AS (SELECT 0 UNION ALL SELECT n+1 FROM c WHERE n < 10) ", now.Add(-month).Unix()/60*60, now.Unix()/60*60)
	client := "iif(n = 10, '', '10.' || (at/60%7) || '.' || (at/60%31) || '.' || (n*7+at/60%13))"
	run(minutes + "INSERT OR REPLACE INTO top_clients SELECT at, id, " + client + ", 10+n, 100000*(n+1), 1000000*(n+1), 1500*n FROM t, c, things WHERE backend = ''")
	for l := 1; l < len(talkerLevels); l++ {
		if err := s.transact(func(tx *sql.Tx) error {
			return rollUpTalkers(tx, l, 0, now.Unix()/talkerLevels[l].step*talkerLevels[l].step)
		}); err != nil {
			t.Fatal(err)
		}
	}
	run(fmt.Sprintf("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t WHERE n < 20000) INSERT OR REPLACE INTO events SELECT %d+n*129600, n, iif(n%%20, 'queue', 'operator'), iif(n%%5, 'info', 'warn'), 's'||(n%%10), '', 's'||n, 'ana@edge-01', '', '10.2.0.'||(n%%200)||':40112 let in to db after 1.53s', iif(n%%20, '', 'tcpctl drain s1/a --limit 5m') FROM t", now.Add(-month).UnixMilli()))
	run("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM t WHERE n < 300) INSERT OR REPLACE INTO changes SELECT id, ?+n*8640000+id, iif(n%2, 4, 0), 'connection refused', '{}' FROM t, things WHERE backend <> ''", now.Add(-month).UnixMilli())
	run("PRAGMA wal_checkpoint(TRUNCATE)")
	s.close()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	tp := newTape(t, file, e)
	return tp.Recorder, now, info.Size()
}

// cpuTime returns this process's CPU time, which a busy machine affects less than elapsed time.
func cpuTime() (sum time.Duration) {
	sample := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	runtime.GC() // updates the metrics
	metrics.Read(sample)
	return time.Duration(sample[0].Value.Float64() * float64(time.Second))
}

// BenchmarkThirtyDays: queries over thirty days. Budget: 200 ms.
func BenchmarkThirtyDays(b *testing.B) {
	r, now, bytes := thirtyDays(b)
	b.Logf("%.1f MB, %.2f MB a day", float64(bytes)/1e6, float64(bytes)/30e6)
	month := api.Stretch{Since: now.Add(-30 * 24 * time.Hour), Until: now}
	for name, ask := range map[string]func() error{
		"series":        func() error { _, err := r.Series(ctx, api.SeriesQuery{Stretch: month, Backends: true}); return err },
		"series of one": func() error { _, err := r.Series(ctx, api.SeriesQuery{Stretch: month, Backend: "a"}); return err },
		"incident":      func() error { _, err := r.Incident(ctx, month); return err },
		"top":           func() error { _, err := r.Top(ctx, api.TopQuery{Stretch: month}); return err },
		"timeline": func() error {
			_, err := r.Timeline(ctx, api.TimelineQuery{Stretch: month, Kind: proxy.EventOperator})
			return err
		},
		"moment": func() error { _, err := r.Moment(ctx, now.Add(-20*24*time.Hour)); return err },
		"last hour": func() error {
			_, err := r.Series(ctx, api.SeriesQuery{Stretch: api.Stretch{Since: now.Add(-time.Hour), Until: now}, Backends: true})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			before := cpuTime()
			for b.Loop() {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkSecond measures the writer's cost of one second, with ten services of four backends.
func BenchmarkSecond(b *testing.B) {
	e := &engine{now: start}
	for n := range 10 {
		e.services = append(e.services, service(fmt.Sprintf("s%d", n), "a", "b", "c", "d"))
	}
	s, err := open(b.TempDir() + "/history.db")
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	was, _ := e.Status(ctx)
	for b.Loop() {
		e.now = e.now.Add(time.Second)
		for i := range e.services {
			grow(&e.services[i], 20, 0, 0)
		}
		is, _ := e.Status(ctx)
		if err := s.put(was, &batch{now: e.now, status: is, earlier: &earlier{}}, time.Minute, ""); err != nil {
			b.Fatal(err)
		}
		if err := s.tidy(e.now, 30*24*time.Hour, 256<<20); err != nil {
			b.Fatal(err)
		}
		was = is
	}
}
