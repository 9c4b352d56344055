package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/tcpctl/tcpctl/proxy"
)

// Error is a refusal with a hint. Its JSON is {"error": {"code": "refused",
// "message": "…", "hint": "…"}}.
type Error struct {
	Status int    // HTTP status: 400 bad request, 404 unknown, 409 refused, 502 not reached, 503 no majority of a cluster, 504 sent and not answered
	Text   string // what is wrong, and with what
	Hint   string // what to try next
}

// ErrorBody is the JSON of an Error, which commands also print with --json.
type ErrorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"`
		File    string `json:"file,omitempty"` // file with the error
		Line    int    `json:"line,omitempty"` // line in it, from 1
	} `json:"error"`
}

// Code returns one word for the kind of error: usage, not_found or refused;
// unreachable or no_answer for another node; no_quorum for a cluster.
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

// UnmarshalJSON does not set Status, which is the HTTP status of the response.
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

// Wrong returns the error of a request that is invalid by itself.
func Wrong(text, hint string) *Error { return &Error{http.StatusBadRequest, text, hint} }

// Unknown returns the error of a request for something that does not exist.
func Unknown(text, hint string) *Error { return &Error{http.StatusNotFound, text, hint} }

// Refused returns the error of a valid request that the engine refuses.
func Refused(text, hint string) *Error { return &Error{http.StatusConflict, text, hint} }

// Statuses of a request to another node without an answer: it was not sent, or it
// was sent and its outcome is unknown.
const (
	StatusUnreachable = http.StatusBadGateway
	StatusNoAnswer    = http.StatusGatewayTimeout
)

// Unreachable returns the error of a request that was not sent.
func Unreachable(text, hint string) *Error { return &Error{StatusUnreachable, text, hint} }

// ErrNoInstance says that no instance answers at an address.
var ErrNoInstance = errors.New("no instance answers")

// NoAnswer returns the error of a request that was sent and not answered.
func NoAnswer(text string) *Error {
	return &Error{StatusNoAnswer, "sent, but not answered: " + text, "the node may or may not have done it: see its events; repeating the act is safe"}
}

// AsError converts any error to an Error, by default a refusal.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
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
