//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// TestTheDescriptionIsTheControlSockets requests each path of openapi.json from an instance in
// which everything applies at once. Each answer matches the description, without additional fields;
// each act accepts all options that the description lists.
func TestTheDescriptionIsTheControlSockets(t *testing.T) {
	t.Parallel()
	in := everythingAtOnce(t)
	in.tcpctl("mark", "OPS-77")
	moment := "at=" + url.QueryEscape(time.Now().UTC().Format(time.RFC3339))
	for began := time.Now(); ; restSince(began) { // until the moment is recorded
		if _, _, text := asked(t, in.socket, "GET", "/v1/history/moment?"+moment, nil); !bytes.Contains(text, []byte(`"missing"`)) {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the moment is not recorded")
		}
	}
	var all answers
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	queries := map[string]string{"/v1/history/moment": moment, "/v1/history/timeline": "since=" + from,
		"/v1/history/series": "backends=1&since=" + from, "/v1/history/top": "since=" + from, "/v1/history/incident": "since=" + from, "/v1/debug/profile": "seconds=1"}
	n := 0
	for path, methods := range openAPI(t).Paths {
		if _, ok := methods["get"]; !ok {
			continue
		}
		n++
		with := strings.NewReplacer("{service}", "db", "{id}", "newest").Replace(path)
		status, kind, text := asked(t, in.socket, "GET", with+"?"+queries[path], nil)
		switch kind {
		case "application/json":
			all.add(path, "get", status, text)
		default:
			if _, bytes := methods["get"].Responses["200"].Content["application/octet-stream"]; status != 200 || !bytes || len(text) == 0 {
				t.Errorf("GET %s: %d, %s, %d bytes", path, status, kind, len(text))
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d paths", n)
	}
	takesAllOptions(t, in, &all)
	all.conform(t)
}

// answers collects the answers of a control socket.
type answers []answer

type answer struct {
	Path, Method string
	Status       int
	Text         string
}

func (a *answers) add(path, method string, status int, text []byte) {
	*a = append(*a, answer{path, method, status, string(text)})
}

// conform runs a test of another package that compares the answers with openapi.json.
func (a answers) conform(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(a)
	file := filepath.Join(t.TempDir(), "answers.json")
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "test", "-count=1", "-v", "-run", "^TestAnswersAreAsDescribed$", "./internal/reference", "-args", "-answers", file).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestAnswersAreAsDescribed")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// takesAllOptions requests a dry run of each act that has one, with all its described options.
func takesAllOptions(t *testing.T, in *running, all *answers) {
	t.Helper()
	targets := map[api.Target]string{api.OnService: "db", api.OnBackend: "db/b", api.OnSession: "s1"}
	args := map[string]string{"weight": "1", "plan": "pause", "cluster": "init", "add": "127.0.0.1:1"}
	for i := range api.Acts {
		act := &api.Acts[i]
		path := "/v1/acts/" + act.Name
		properties, _ := openAPI(t).Paths[path]["post"].RequestBody.Content["application/json"].Schema["properties"].(map[string]any)
		body := map[string]any{}
		for name, p := range properties {
			switch p := p.(map[string]any); p["type"] {
			case "boolean":
				body[name] = true
			case "number", "integer":
				body[name] = 1
			case "string":
				body[name] = "x"
				if choices, ok := p["enum"].([]any); ok {
					body[name] = choices[len(choices)-1] // for then this is keep, which save requires
				}
			}
		}
		for _, not := range []string{"expect", "service", "backend", "client"} { // targets in another form
			delete(body, not)
		}
		if body["dry_run"] == nil {
			continue
		}
		if act.On != api.OnNothing {
			body["targets"] = []string{targets[act.On]}
		}
		if act.Args != "" {
			body["args"] = []string{cmp.Or(args[act.Name], "x")}
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		status, _, answer := asked(t, in.socket, "POST", path, text)
		if status == http.StatusBadRequest {
			t.Errorf("%s of %s: %s", path, text, answer)
		}
		all.add(path, "post", status, answer)
	}
}

// asked sends a request to a control socket, and returns the answer.
func asked(t *testing.T, socket, method, path string, body []byte) (status int, kind string, answer []byte) {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://tcpctl"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), answer
}
