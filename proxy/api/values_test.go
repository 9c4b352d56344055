package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// TestValuesThatCannotBe are wrong usage of an act, also in a dry run, however they
// arrive, and nothing is done.
func TestValuesThatCannotBe(t *testing.T) {
	l := local(t, pair())
	long := strings.Repeat("x", 5000)
	for _, r := range []Request{
		{Act: "weight", Targets: []string{"db/a"}, Args: []string{"9223372036854775807"}},
		{Act: "weight", Targets: []string{"db/a"}, Args: []string{"9223372036854775808"}},
		{Act: "weight", Targets: []string{"db/a"}, Args: []string{"-1"}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Max: 2562047 * time.Hour}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Max: 24*time.Hour + 1}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Max: -1}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Limit: math.MaxInt64}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Limit: time.Hour, Max: time.Second}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Then: "pray"}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Reason: long}},
		{Act: "drain", Targets: []string{"db/a"}, Options: Options{Limit: math.MaxInt64, Force: true}},
		{Act: "resume", Targets: []string{"db"}, Options: Options{Rate: math.Inf(1)}},
		{Act: "resume", Targets: []string{"db"}, Options: Options{Rate: math.NaN()}},
		{Act: "resume", Targets: []string{"db"}, Options: Options{Rate: -1}},
		{Act: "roll", Targets: []string{"db"}, Options: Options{MaxWait: math.MaxInt64}},
		{Act: "roll", Targets: []string{"db"}, Options: Options{MinUp: math.MaxInt}},
		{Act: "stop", Options: Options{Grace: math.MaxInt64}},
		{Act: "mark", Args: []string{long}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:9,name=a/b"}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:9,name=" + long}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:9,name=\x1b[2J"}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:9,name=a\u202eb"}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1:9,weight=9223372036854775807"}},
		{Act: "add", Targets: []string{"db"}, Args: []string{"127.0.0.1\x1b:9"}},
	} {
		for _, dry := range []bool{false, true} {
			r.DryRun = dry
			_, err := l.Do(context.Background(), r)
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Status != http.StatusBadRequest || wrong.Hint == "" && !strings.Contains(wrong.Text, "; ") {
				t.Errorf("%s %.40q %+.60v, dry run %v: %v", r.Act, r.Args, r.Options, dry, err)
			}
		}
	}
	for _, o := range []Options{{Max: 25 * time.Hour}, {Limit: time.Hour, Max: time.Second}} {
		if _, err := l.Window(context.Background(), WindowCall{Service: "db", Options: o}); err == nil || AsError(err).Status != http.StatusBadRequest {
			t.Errorf("window: %v", err)
		}
	}
	restart := Request{Act: "restart", Targets: []string{"db/a"}, Options: Options{Limit: time.Hour, Max: time.Second}}
	if err := Lookup("restart").Check(&restart); err != nil {
		t.Errorf("a restart drains without a pause: %v", err)
	}
	if saved := proxy.HandoverOf(l.Engine).Save(); len(saved) != 0 {
		t.Errorf("something was done: %v", saved)
	}
}
