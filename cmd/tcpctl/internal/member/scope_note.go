package member

import (
	"encoding/json"
	"time"
)

// Notes are what nodes must know about an act and voters need not: to voters they are just bytes.
// One that cannot be parsed, from another version, is treated as empty.

// pauseNote is the note of a cluster.Plan.
type pauseNote struct {
	By     string        `json:"by,omitempty"`
	Reason string        `json:"reason,omitempty"`
	At     time.Time     `json:"at"` // by the clock of the owner
	Limit  time.Duration `json:"limit,omitempty"`
	Then   string        `json:"then,omitempty"`
	Quiet  time.Duration `json:"quiet,omitempty"`
	Rate   float64       `json:"rate,omitempty"` // of the release, over all nodes
	Roll   string        `json:"roll,omitempty"` // proxy.ClusterPause.Roll
	Which  string        `json:"which"`          // random: identifies the plan that was requested
}

// endNote is the note of a plan's end.
type endNote struct {
	By      string  `json:"by,omitempty"`
	Why     string  `json:"why,omitempty"`
	GivenUp bool    `json:"given_up,omitempty"` // live sessions have outlived the limit
	Rate    float64 `json:"rate,omitempty"`
}

// drainNote is the note of a cluster.Backend.
type drainNote struct {
	By     string        `json:"by,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Limit  time.Duration `json:"limit,omitempty"`
	Then   string        `json:"then,omitempty"`
	Quiet  time.Duration `json:"quiet,omitempty"`
}

func noteText[N pauseNote | endNote | drainNote](n N) string {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // cannot happen: plain values
	}
	return string(b)
}

func readNote[N pauseNote | endNote | drainNote](text string) (n N) {
	_ = json.Unmarshal([]byte(text), &n)
	return n
}
