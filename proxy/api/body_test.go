package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everyOption is an Options without a zero field, whatever fields it has.
func everyOption(t *testing.T) (o Options) {
	t.Helper()
	v := reflect.ValueOf(&o).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(int64(i) + 1)
		case reflect.Int64:
			f.SetInt(int64(time.Duration(i+1) * 250 * time.Millisecond))
		case reflect.Float64:
			f.SetFloat(50)
		case reflect.Bool:
			f.SetBool(true)
		default:
			t.Fatalf("%s: this test cannot fill a %s", v.Type().Field(i).Name, f.Kind())
		}
	}
	return o
}

// TestDurationsAreSeconds in JSON, with names that say so, and nothing else in a
// request is lost.
func TestDurationsAreSeconds(t *testing.T) {
	r := Request{Act: "drain", Targets: []string{"db/a"}, Args: []string{"1"}, Options: everyOption(t), Expect: "e"}
	var again Request
	fields := overTheWire(t, r, &again)
	if !reflect.DeepEqual(again, r) {
		t.Errorf("%+v arrived as %+v", r, again)
	}
	if fields["limit_seconds"] != 0.25 || fields["max_seconds"] != 1.0 || fields["grace_seconds"] == nil || fields["max_wait_seconds"] == nil {
		t.Errorf("as JSON: %v", fields)
	}
	w := WindowCall{Service: "db", Options: r.Options, ID: "w1", Token: "t", PID: 7, Ended: true, Failed: "f"}
	w.Options.Service = "" // which WindowCall's own hides
	var back WindowCall
	fields = overTheWire(t, w, &back)
	if !reflect.DeepEqual(back, w) {
		t.Errorf("%+v arrived as %+v", w, back)
	}
	for name := range fields {
		if name == "limit" || name == "max" || name == "grace" || name == "max_wait" {
			t.Errorf("%s does not name its unit", name)
		}
	}
	if text, _ := json.Marshal(Result{Undo: &Request{Act: "ready", Options: Options{Limit: 90 * time.Second}}}); !strings.Contains(string(text), `"limit_seconds":90}`) {
		t.Errorf("a result with an undo: %s", text)
	}
}

func overTheWire(t *testing.T, from, to any) (fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestInvalidRequests(t *testing.T) {
	for text, want := range map[string]string{
		`{"limit_seconds": 1e300}`:   "limit_seconds: 1e+300 seconds are too many",
		`{"max_seconds": -1e10}`:     "max_seconds: -1e+10 seconds are too many",
		`{"limit": 5}`:               `unknown field "limit"; it may have act, targets, args, expect, service, backend, client, limit_seconds`,
		`{"grace_seconds": "1m"}`:    `grace_seconds must be a number of seconds, not "1m"`,
		`{"targets": "db/a"}`:        `targets must be a list of texts, not "db/a"`,
		`{"rate": [1]}`:              `rate must be a number a second, not [1]`,
		`{"force": 1}`:               `force must be true or false, not 1`,
		`{"act": "drain", "by": "x"`: "unexpected end of JSON input",
		`[]`:                         "not a JSON object",
	} {
		var r Request
		if err := json.Unmarshal([]byte(text), &r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, r := range []Request{
		{Act: "drain", Targets: []string{"db/a"}, Options: Options{Limit: -1}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Max: -time.Second}},
		{Act: "stop", Options: Options{Grace: -time.Second}},
		{Act: "roll", Targets: []string{"db"}, Options: Options{MaxWait: -time.Second}},
		{Act: "pause", Targets: []string{"db"}, Options: Options{Save: true}},
		{Act: "drain", Targets: []string{"db/a"}, Options: Options{Save: true, Then: "abort"}},
	} {
		if err := Lookup(r.Act).Check(&r); err == nil || AsError(err).Status != 400 || AsError(err).Hint == "" {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
