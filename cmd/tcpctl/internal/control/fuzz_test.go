package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// FuzzAPI sends arbitrary requests to an engine: each is answered with JSON and a suitable status,
// and the engine survives.
func FuzzAPI(f *testing.F) {
	for _, request := range []string{
		"GET /v1/status HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/sessions?service=db&backend=a&client=10.0.0.0/8&older_seconds=1&ended=1&limit=3 HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/sessions?client=::ffff:10.0.0.1&older_seconds=NaN&limit=-1 HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/events?since=18446744073709551615&wait=1 HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/services/db/queue HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/services/..%2f..%2fdb/queue HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /v1/reports/%00 HTTP/1.1\r\nHost: t\r\n\r\n",
		"PUT /v1/status HTTP/1.1\r\nHost: t\r\n\r\n",
		post("drain", `{"targets":["db/a"],"force":true,"limit_seconds":1,"then":"cut"}`),
		post("ready", `{"act":"drain","targets":["db/a"]}`),
		post("weight", `{"targets":["db/a"],"args":["999999999999999999999"]}`),
		post("add", `{"targets":["db"],"args":["127.0.0.1:1,name=b,weight=-1"]}`),
		post("remove", `{"targets":["db/b","db/b"],"limit_seconds":-9223372036.854775808}`),
		post("add", `{"targets":["db"],"args":["unix:/x"],"save":true}`),
		post("ready", `{"targets":["db/a","db/unix:/x"],"save":true}`),
		post("pause", `{"targets":["db"],"max_seconds":9223372036.854775807}`),
		post("resume", `{"targets":["db"],"rate":1e308}`),
		post("kick", `{"service":"db","rate":1e-300}`),
		post("roll", `{"targets":["db"],"args":["["]}`),
		post("plan", `{"args":["abort"]}`),
		post("mark", `{"args":["\u0000\u001b[2J"]}`),
		post("stop", `{"grace_seconds":-1}`),
		post("probe", `[[[[[[`),
		"POST /v1/window HTTP/1.1\r\nHost: t\r\nContent-Length: 46\r\n\r\n{\"service\":\"db\",\"max_seconds\":-1,\"token\":\"x\"}\n",
	} {
		f.Add([]byte(request))
	}
	// Without checks and clients nothing is dialled, whatever backends are added.
	engine, err := proxy.New(proxy.Config{Services: []proxy.ServiceConfig{{Name: "db", Listen: []string{"127.0.0.1:0"},
		Backends: []proxy.BackendConfig{{Name: "a", Addr: "127.0.0.1:1"}}, Check: proxy.CheckConfig{Type: "none"}}}})
	if err == nil {
		err = engine.Start()
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { engine.Close() })
	h := NewHandler(&api.Local{Engine: engine, Save: func(string, *api.Request) error { return nil }}, func(*http.Request) string { return "ana@here" })
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil || r.RequestURI == "*" { // ServeMux itself answers this
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond) // for waiting events requests
		defer cancel()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(ctx))
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%d, and not JSON: %q", w.Code, w.Body)
			}
		case http.StatusMovedPermanently, http.StatusTemporaryRedirect: // for a path like //v1/status
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if len(engine.Operator().Services()) != 1 {
			t.Error("the service is gone")
		}
	})
}

func post(act, body string) string {
	var b bytes.Buffer
	r, err := http.NewRequest("POST", "http://t/v1/acts/"+act, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	r.Write(&b)
	return b.String()
}
