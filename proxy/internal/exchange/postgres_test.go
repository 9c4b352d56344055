package exchange

import (
	"encoding/binary"
	"testing"
)

// pg is a message: a kind and a body.
func pg(kind byte, body string) string {
	return string(kind) + string(binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))) + body
}

// startup is a client's first packet, which has no kind yet.
func startup(code uint32, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return string(binary.BigEndian.AppendUint32(b, code)) + body
}

const version3 = 3 << 16

func hello(params ...string) string {
	body := ""
	for _, p := range params {
		body += p + "\x00"
	}
	return startup(version3, body+"\x00")
}

var (
	authOK   = pg('R', "\x00\x00\x00\x00")
	ready    = pg('Z', "I")
	open     = pg('Z', "T")
	failed   = pg('Z', "E")
	complete = pg('C', "SELECT 1\x00")
	welcome  = authOK + pg('S', "server_version\x0015\x00") + pg('K', "12345678") + ready
	query    = pg('Q', "select 1\x00")
	rows     = pg('T', "\x00\x00") + pg('D', "\x00\x00") + complete
	extended = pg('P', "\x00select 1\x00\x00\x00") + pg('B', "\x00\x00\x00\x00") + pg('D', "P\x00") + pg('E', "\x00\x00\x00\x00\x00")
	synced   = pg('S', "")
	bound    = pg('1', "") + pg('2', "")
)

// step is what one side sends, and the state afterwards.
type step struct {
	from string // c, the client, or b, the backend
	said string
	want State
}

// begun is a session after login.
func begun(more ...step) []step {
	return append([]step{{"c", hello("user", "ana"), Busy}, {"b", welcome, Idle}}, more...)
}

// each runs transcripts, as they are and byte by byte.
func each(t *testing.T, protocol string, all map[string][]step) {
	for name, steps := range all {
		t.Run(name, func(t *testing.T) {
			whole, bytes := New(protocol), New(protocol)
			for i, s := range steps {
				feed(whole, s.from, s.said)
				for j := range len(s.said) {
					feed(bytes, s.from, s.said[j:j+1])
					if got, _ := bytes.State(); got == Idle && j+1 < len(s.said) && s.from == "c" {
						t.Errorf("step %d is idle within a request, after %q", i, s.said[:j+1])
					}
				}
				for how, w := range map[string]*Watch{"whole": whole, "byte by byte": bytes} {
					if got, why := w.State(); got != s.want || (why != "") != (got == Unknown) {
						t.Errorf("step %d, %s, %s %q: state %s (%s), want %s", i, how, s.from, s.said, got, why, s.want)
					}
				}
			}
		})
	}
}

func feed(w *Watch, from, said string) {
	if from == "c" {
		w.Client([]byte(said))
	} else {
		w.Backend([]byte(said))
	}
}

func TestPostgres(t *testing.T) {
	each(t, "postgres", map[string][]step{
		"has sent nothing":       {{"c", "", Idle}},
		"startup":                begun(),
		"with a password":        {{"c", hello("user", "ana"), Busy}, {"b", pg('R', "\x00\x00\x00\x05salt"), Busy}, {"c", pg('p', "md5\x00"), Busy}, {"b", welcome, Idle}},
		"query":                  begun(step{"c", query, Busy}, step{"b", rows, Busy}, step{"b", ready, Idle}),
		"two queries at once":    begun(step{"c", query + query, Busy}, step{"b", rows + ready, Busy}, step{"b", rows + ready, Idle}),
		"a request has begun":    begun(step{"c", query[:1], Busy}, step{"c", query[1:], Busy}, step{"b", rows + ready, Idle}),
		"a reply has begun":      begun(step{"c", query, Busy}, step{"b", rows + ready[:5], Busy}, step{"b", ready[5:], Idle}),
		"transaction":            begun(step{"c", pg('Q', "begin\x00"), Busy}, step{"b", complete + open, Busy}, step{"c", query, Busy}, step{"b", rows + open, Busy}, step{"c", pg('Q', "commit\x00"), Busy}, step{"b", complete + ready, Idle}),
		"failed transaction":     begun(step{"c", query, Busy}, step{"b", pg('E', "\x00") + failed, Busy}, step{"c", pg('Q', "rollback\x00"), Busy}, step{"b", complete + ready, Idle}),
		"failed query":           begun(step{"c", query, Busy}, step{"b", pg('E', "\x00"), Busy}, step{"b", ready, Idle}),
		"empty query":            begun(step{"c", pg('Q', "\x00"), Busy}, step{"b", pg('I', "") + ready, Idle}),
		"extended":               begun(step{"c", extended, Busy}, step{"c", synced, Busy}, step{"b", bound + rows, Busy}, step{"b", ready, Idle}),
		"extended, flushed":      begun(step{"c", extended + pg('H', ""), Busy}, step{"b", bound + rows, Busy}, step{"c", synced, Busy}, step{"b", ready, Idle}),
		"pipelined":              begun(step{"c", extended + synced + extended + synced + extended, Busy}, step{"b", bound + rows + ready, Busy}, step{"b", bound + rows + ready, Busy}, step{"c", synced, Busy}, step{"b", bound + rows + ready, Idle}),
		"pipelined and failed":   begun(step{"c", extended + extended + synced, Busy}, step{"b", bound + pg('E', "\x00"), Busy}, step{"b", ready, Idle}),
		"close of a statement":   begun(step{"c", pg('C', "Sx\x00"), Busy}, step{"c", synced, Busy}, step{"b", pg('3', "") + ready, Idle}),
		"function call":          begun(step{"c", pg('F', "\x00"), Busy}, step{"b", pg('V', "\x00") + ready, Idle}),
		"notices while idle":     begun(step{"b", pg('N', "\x00"), Idle}, step{"b", pg('S', "TimeZone\x00UTC\x00"), Idle}),
		"listens":                begun(step{"b", pg('A', "\x00\x00\x00\x01ch\x00\x00"), Busy}, step{"c", query, Busy}, step{"b", rows + ready, Busy}),
		"begins to listen":       begun(step{"c", pg('Q', " Listen ch;\x00"), Busy}, step{"b", complete + ready, Busy}),
		"prepares to listen":     begun(step{"c", pg('P', "name\x00listen ch\x00\x00\x00") + pg('B', "\x00") + pg('E', "\x00") + synced, Busy}, step{"b", bound + complete + ready, Busy}),
		"a table of that name":   begun(step{"c", pg('Q', "select listen\x00"), Busy}, step{"b", rows + ready, Idle}),
		"copy in":                begun(step{"c", pg('Q', "copy t from stdin\x00"), Busy}, step{"b", pg('G', "\x00\x00\x00"), Busy}, step{"c", pg('d', "1\n"), Busy}, step{"c", pg('c', ""), Busy}, step{"b", complete, Busy}, step{"b", ready, Idle}),
		"copy in that fails":     begun(step{"c", pg('Q', "copy t from stdin\x00"), Busy}, step{"b", pg('G', "\x00\x00\x00"), Busy}, step{"c", pg('f', "no\x00"), Busy}, step{"b", pg('E', "\x00") + ready, Idle}),
		"copy in, extended":      begun(step{"c", extended + synced, Busy}, step{"b", bound + pg('G', "\x00\x00\x00"), Busy}, step{"c", pg('d', "1\n") + synced, Busy}, step{"c", pg('c', ""), Busy}, step{"c", synced, Busy}, step{"b", complete, Busy}, step{"b", ready, Idle}),
		"copy out":               begun(step{"c", pg('Q', "copy t to stdout\x00"), Busy}, step{"b", pg('H', "\x00\x00\x00") + pg('d', "1\n"), Busy}, step{"b", pg('c', "") + complete, Busy}, step{"b", ready, Idle}),
		"a query after copy in":  begun(step{"c", pg('Q', "copy t from stdin\x00"), Busy}, step{"b", pg('G', "\x00\x00\x00"), Busy}, step{"c", pg('c', ""), Busy}, step{"b", complete + ready, Idle}, step{"c", extended + synced, Busy}, step{"b", bound + rows + ready, Idle}),
		"ends":                   begun(step{"c", pg('X', ""), Busy}),
		"cancel":                 {{"c", startup(pgCancel, "12345678"), Busy}},
		"replication":            {{"c", hello("user", "ana", "replication", "true"), Busy}, {"b", welcome, Busy}},
		"replication, logical":   {{"c", hello("replication", "database", "user", "ana"), Busy}, {"b", welcome, Busy}, {"c", query, Busy}, {"b", rows + ready, Busy}},
		"replication off":        {{"c", hello("user", "ana", "replication", "Off"), Busy}, {"b", welcome, Idle}},
		"a user like that":       {{"c", hello("user", "replication", "database", "true"), Busy}, {"b", welcome, Idle}},
		"TLS":                    {{"c", startup(pgSSLRequest, ""), Busy}, {"b", "S", Unknown}, {"c", "\x16\x03\x01", Unknown}},
		"TLS that is refused":    {{"c", startup(pgSSLRequest, ""), Busy}, {"b", "N", Busy}, {"c", hello("user", "ana"), Busy}, {"b", welcome, Idle}},
		"GSS, then TLS, refused": {{"c", startup(pgGSSRequest, ""), Busy}, {"b", "N", Busy}, {"c", startup(pgSSLRequest, ""), Busy}, {"b", "N", Busy}, {"c", hello("user", "ana"), Busy}, {"b", welcome, Idle}},
		"GSS":                    {{"c", startup(pgGSSRequest, ""), Busy}, {"b", "G", Unknown}},
		"TLS at once":            {{"c", "\x16\x03\x01\x02\x00", Unknown}},
		"an old server":          {{"c", startup(pgSSLRequest, ""), Busy}, {"b", pg('E', "\x00"), Busy}},
		"version 2":              {{"c", startup(2<<16, "ana"), Unknown}},
		"HTTP":                   {{"c", "GET / HTTP/1.1\r\n\r\n", Unknown}},
		"a startup too long":     {{"c", startup(version3, string(make([]byte, pgMostStartup))), Unknown}},
		"an invalid length":      begun(step{"c", "Q\x00\x00\x00\x03", Unknown}),
		"another backend":        {{"c", hello("user", "ana"), Busy}, {"b", "HTTP/1.1 400 Bad Request\r\n\r\n", Busy}},
	})
}
