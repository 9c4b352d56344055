//go:build unix

package notify

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
	"github.com/tcpctl/tcpctl/proxy/command"
)

func TestARealProgram(t *testing.T) {
	e, file := newEngine(t), filepath.Join(t.TempDir(), "notification")
	var log bytes.Buffer
	n := begin(t, Config{Run: []string{"/bin/sh", "-c", `cat >"$0"; echo "paged for $TCPCTL_SERVICE"`, file}}, e, &command.Runner{}, &log)
	e.Operator().Note(proxy.Event{Kind: proxy.EventPauseNear, Service: "db", Text: "pause of db ends in 30s"})
	n.Close()
	text, err := os.ReadFile(file)
	var got notification
	if err != nil || json.Unmarshal(text, &got) != nil || got.Text != "pause of db ends in 30s" {
		t.Errorf("%s, %v", text, err)
	}
	if !strings.Contains(log.String(), "paged for db") {
		t.Errorf("log %s", log.String())
	}
}

func TestAProgramThatNeverEnds(t *testing.T) {
	e := newEngine(t)
	var log bytes.Buffer
	n := begin(t, Config{Run: []string{"/bin/sh", "-c", "sleep 1000"}, Timeout: 50 * time.Millisecond}, e, &command.Runner{}, &log)
	e.Operator().Note(proxy.Event{Kind: proxy.EventBackendDown})
	n.Close()
	if !strings.Contains(log.String(), "did not end within 50ms") {
		t.Errorf("log %s", log.String())
	}
}
