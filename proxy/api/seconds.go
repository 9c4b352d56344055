package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// seconds is how JSON has the durations of Options: numbers, which say in
// their names what they count.
type seconds struct {
	Limit   float64 `json:"limit_seconds,omitempty"`
	Max     float64 `json:"max_seconds,omitempty"`
	Grace   float64 `json:"grace_seconds,omitempty"`
	MaxWait float64 `json:"max_wait_seconds,omitempty"`
}

func (o *Options) seconds() seconds {
	return seconds{o.Limit.Seconds(), o.Max.Seconds(), o.Grace.Seconds(), o.MaxWait.Seconds()}
}

// setSeconds takes them in; none may be longer than a Duration can be.
func (o *Options) setSeconds(s *seconds) error {
	for _, d := range []struct {
		key  string
		from float64
		to   *time.Duration
	}{
		{"limit_seconds", s.Limit, &o.Limit},
		{"max_seconds", s.Max, &o.Max},
		{"grace_seconds", s.Grace, &o.Grace},
		{"max_wait_seconds", s.MaxWait, &o.MaxWait},
	} {
		var err error
		if *d.to, err = Duration(d.from); err != nil {
			return fmt.Errorf("%s: %w", d.key, err)
		}
	}
	return nil
}

// Duration is a number of seconds as a program gives it.
func Duration(s float64) (time.Duration, error) {
	if !(math.Abs(s) < math.MaxInt64/1e9) {
		return 0, fmt.Errorf("%g seconds are too many", s)
	}
	return time.Duration(math.Round(s * 1e9)), nil
}

// strict is json.Unmarshal that takes no field which it does not know.
func strict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// MarshalJSON and UnmarshalJSON are here and in WindowCall, not in Options:
// those would become the methods of whatever embeds it.
func (r Request) MarshalJSON() ([]byte, error) {
	type plain Request
	return json.Marshal(struct {
		plain
		seconds
	}{plain(r), r.seconds()})
}

func (r *Request) UnmarshalJSON(text []byte) error {
	type plain Request
	w := struct {
		*plain
		seconds
	}{plain: (*plain)(r)}
	if err := strict(text, &w); err != nil {
		return err
	}
	return r.setSeconds(&w.seconds)
}

func (c WindowCall) MarshalJSON() ([]byte, error) {
	type plain WindowCall
	return json.Marshal(struct {
		plain
		seconds
	}{plain(c), c.seconds()})
}

func (c *WindowCall) UnmarshalJSON(text []byte) error {
	type plain WindowCall
	w := struct {
		*plain
		seconds
	}{plain: (*plain)(c)}
	if err := strict(text, &w); err != nil {
		return err
	}
	return c.setSeconds(&w.seconds)
}
