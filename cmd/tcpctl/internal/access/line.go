package access

import (
	"encoding/json"
	"time"

	"github.com/tcpctl/tcpctl/proxy"
)

// entry is one line: that of an ended session, or of a live one.
type entry struct {
	node   string
	record proxy.Record
	live   *ongoing
}

// ended is the line of a session that has ended.
type ended struct {
	Time time.Time `json:"time"` // when the session ended
	Node string    `json:"node"`
	proxy.Record
}

// ongoing is the line of a session that has not ended, like a proxy.Record.
type ongoing struct {
	Time            time.Time `json:"time"`
	Node            string    `json:"node"`
	ID              string    `json:"id"`
	Service         string    `json:"service"`
	Backend         string    `json:"backend,omitempty"`
	Client          string    `json:"client"`
	Via             string    `json:"via"`
	Ongoing         bool      `json:"ongoing"` // always true
	Phase           string    `json:"phase"`
	DurationSeconds float64   `json:"duration_seconds"` // time from accept until now; the following fields are also values until now
	IdleSeconds     float64   `json:"idle_seconds"`
	BytesIn         int64     `json:"bytes_in"`
	BytesOut        int64     `json:"bytes_out"`
}

func appendLine(lines []byte, e entry) []byte {
	var v any = ended{e.record.Ended, e.node, e.record}
	if e.live != nil {
		v = e.live
	}
	line, err := json.Marshal(v)
	if err != nil { // NaN or infinity: a minimal line is better than none
		line, _ = json.Marshal(map[string]string{"id": e.record.ID, "error": err.Error()})
	}
	return append(append(lines, line...), '\n')
}
