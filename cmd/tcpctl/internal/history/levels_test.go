package history

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestAMonthIsReadFromLongSteps: a graph of thirty days reads one row for each point, except at the
// edges, without grouping; also in a file from an earlier version, once the next hour has begun.
func TestAMonthIsReadFromLongSteps(t *testing.T) {
	t.Parallel()
	now := start
	v := &view{}
	for l, level := range levels {
		v.oldest[l] = now.Add(-cmp.Or(level.keep, 30*24*time.Hour)).Unix() / level.step * level.step
		v.rolled[l] = now.Unix() / level.step * level.step
	}
	step := stepFor(now.Add(-30*24*time.Hour).Unix(), now.Unix(), 300)
	rows := int64(0)
	for _, p := range v.parts(now.Add(-30*24*time.Hour).Unix()/step*step, now.Unix(), levelOf(step)) {
		rows += (p.to - p.from) / levels[p.level].step
	}
	if rows > 250 || strings.Contains(addPartQuery(&services, "1", levelOf(step), 0, step), "GROUP") {
		t.Errorf("%d rows a series in steps of %d s", rows, step)
	}

	file := tempFile(t)
	e := &engine{now: at(5*3600 - 20), services: []proxy.ServiceInfo{service("db", "a")}}
	tp := newTape(t, file, e)
	for range 10 {
		tp.second(func(e *engine) { grow(&e.services[0], 5, 0, 0) })
	}
	tp.flush()
	tp.end()
	s, err := open(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.write.Exec("DROP TABLE service_3h; DROP TABLE backend_3h; PRAGMA user_version = 3")
	s.close()
	if err != nil {
		t.Fatal(err)
	}
	e.now = at(5*3600 - 5)
	tp = newTape(t, file, e)
	for range 20 {
		tp.second(func(e *engine) { grow(&e.services[0], 5, 0, 0) })
	}
	e.now = at(7*3600 + 1) // 09:00: three whole hours
	tp.second(nil)
	tp.flush()
	var sum, n int64
	if err := tp.store.write.QueryRow("SELECT coalesce(sum(new), 0), count(*) FROM service_3h").Scan(&sum, &n); err != nil || sum != 150 || n != 1 {
		t.Errorf("%d clients in %d rows of three hours, %v", sum, n, err)
	}
	i := must(tp.Incident(ctx, api.Stretch{Since: at(0), Until: at(8 * 3600)}))(t)
	if fmt.Sprint(i.Impact.Clients) != "150" {
		t.Errorf("%+v", i.Impact)
	}
}
