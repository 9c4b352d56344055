package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tcpctl/tcpctl/proxy"
)

// Error is a refusal with a hint. As JSON it is
// {"error": {"code": "refused", "message": "…", "hint": "…"}}.
type Error struct {
	Status int    // of HTTP: 400 wrong, 404 unknown, 409 refused, 502 not reached, 503 no majority of a cluster, 504 sent and not answered
	Text   string // what is wrong, and with what
	Hint   string // what to try next
}

// ErrorBody is an Error as JSON, and what a command prints under --json.
type ErrorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		File    string `json:"file,omitempty"` // that is wrong
		Line    int    `json:"line,omitempty"` // of it, from 1
	} `json:"error"`
}

// Code is one word for what kind of error it is: usage, not_found, refused,
// of another node unreachable or no_answer, and of a cluster no_quorum.
func (e *Error) Code() string {
	switch e.Status {
	case http.StatusBadRequest:
		return "usage"
	case http.StatusNotFound:
		return "not_found"
	case StatusUnreachable:
		return "unreachable"
	case StatusNoAnswer:
		return "no_answer"
	case StatusNoQuorum:
		return "no_quorum"
	}
	return "refused"
}

func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.body()) }

func (e *Error) body() (b ErrorBody) {
	b.Error.Code, b.Error.Message, b.Error.Hint = e.Code(), e.Text, e.Hint
	return b
}

// UnmarshalJSON leaves Status as it is: that is the answer's.
func (e *Error) UnmarshalJSON(text []byte) error {
	var b ErrorBody
	err := json.Unmarshal(text, &b)
	e.Text, e.Hint = b.Error.Message, b.Error.Hint
	return err
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + "; " + e.Hint
}

// Wrong says that the request itself makes no sense.
func Wrong(text, hint string) *Error { return &Error{http.StatusBadRequest, text, hint} }

// Unknown says that there is no such thing.
func Unknown(text, hint string) *Error { return &Error{http.StatusNotFound, text, hint} }

// Refused says that the engine could, and will not.
func Refused(text, hint string) *Error { return &Error{http.StatusConflict, text, hint} }

// The statuses of a request to another node that gave no answer: it was not
// sent, or it was sent and its outcome is unknown.
const (
	StatusUnreachable = http.StatusBadGateway
	StatusNoAnswer    = http.StatusGatewayTimeout
)

// Unreachable says that a request was not sent.
func Unreachable(text, hint string) *Error { return &Error{StatusUnreachable, text, hint} }

// NoAnswer says that a request was sent and not answered.
func NoAnswer(text string) *Error {
	return &Error{StatusNoAnswer, "sent, but not answered: " + text, "the node may or may not have done it: see its events; repeating the act is safe"}
}

// AsError makes an Error of any error, a refusal unless it says otherwise.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if bad, ok := errors.AsType[*proxy.ValueError](err); ok {
		return &Error{Status: http.StatusBadRequest, Text: bad.Text, Hint: bad.Hint}
	}
	if errors.Is(err, proxy.ErrUnknown) {
		return &Error{Status: http.StatusNotFound, Text: err.Error()}
	}
	return &Error{Status: http.StatusConflict, Text: err.Error()}
}
