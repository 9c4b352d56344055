package exchange

import (
	"fmt"
	"strings"
	"testing"
)

// cmd is a command as clients send it.
func cmd(words ...string) string {
	b := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		b += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

const (
	ok     = "+OK\r\n"
	queued = "+QUEUED\r\n"
)

func TestRedis(t *testing.T) {
	get := cmd("GET", "k")
	each(t, "redis", map[string][]step{
		"has sent nothing":   {{"c", "", Idle}},
		"set":                {{"c", cmd("SET", "k", "v"), Busy}, {"b", ok, Idle}},
		"get":                {{"c", get, Busy}, {"b", "$1\r\nv\r\n", Idle}},
		"a reply has begun":  {{"c", get, Busy}, {"b", "$3\r\nv", Busy}, {"b", "al\r\n", Idle}},
		"a command has":      {{"c", get, Busy}, {"b", "$-1\r\n", Idle}, {"c", get[:7], Busy}, {"c", get[7:], Busy}, {"b", "$0\r\n\r\n", Idle}},
		"a long argument":    {{"c", cmd("SET", "k", strings.Repeat("v\r\n", 30000)), Busy}, {"b", ok, Idle}},
		"pipelined":          {{"c", get + get + get, Busy}, {"b", "$1\r\nv\r\n$1\r\nv\r\n", Busy}, {"b", "-ERR no\r\n", Idle}},
		"inline":             {{"c", "PING\r\n", Busy}, {"b", "+PONG\r\n", Idle}, {"c", "ping\n\r\n", Busy}, {"b", "+PONG\r\n", Idle}},
		"an empty array":     {{"c", "*0\r\n", Idle}, {"c", "*-1\r\n", Idle}},
		"blocks":             {{"c", cmd("BLPOP", "k", "0"), Busy}, {"b", "*2\r\n$1\r\nk\r\n$1\r\nv\r\n", Idle}},
		"arrays of arrays":   {{"c", get, Busy}, {"b", "*3\r\n*2\r\n:1\r\n*0\r\n*-1\r\n*1\r\n*1\r\n", Busy}, {"b", "$2\r\n\r\n\r\n", Idle}},
		"version 3":          {{"c", cmd("HELLO", "3"), Busy}, {"b", "%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n", Idle}, {"c", get, Busy}, {"b", "_\r\n", Idle}, {"c", get, Busy}, {"b", "~2\r\n#t\r\n,1.5\r\n", Idle}, {"c", get, Busy}, {"b", "(123456789\r\n", Idle}, {"c", get, Busy}, {"b", "=5\r\ntxt:x\r\n", Idle}, {"c", get, Busy}, {"b", "!3\r\nERR\r\n", Idle}},
		"pushed":             {{"c", get, Busy}, {"b", ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n", Busy}, {"b", "+v\r\n", Idle}, {"b", ">1\r\n+x\r\n", Idle}},
		"an attribute":       {{"c", get, Busy}, {"b", "|1\r\n+ttl\r\n:3600\r\n", Busy}, {"b", "+v\r\n", Idle}},
		"multi":              {{"c", cmd("MULTI"), Busy}, {"b", ok, Busy}, {"c", get, Busy}, {"b", queued, Busy}, {"c", cmd("exec"), Busy}, {"b", "*1\r\n+v\r\n", Idle}},
		"multi, discarded":   {{"c", cmd("multi"), Busy}, {"b", ok, Busy}, {"c", cmd("DISCARD"), Busy}, {"b", ok, Idle}},
		"watch":              {{"c", cmd("WATCH", "k"), Busy}, {"b", ok, Busy}, {"c", cmd("MULTI"), Busy}, {"b", ok, Busy}, {"c", cmd("UNWATCH"), Busy}, {"b", queued, Busy}, {"c", cmd("EXEC"), Busy}, {"b", "*-1\r\n", Idle}},
		"unwatch":            {{"c", cmd("WATCH", "k"), Busy}, {"b", ok, Busy}, {"c", cmd("UNWATCH"), Busy}, {"b", ok, Idle}},
		"subscribes":         {{"c", cmd("SUBSCRIBE", "ch"), Busy}, {"b", "*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n", Busy}, {"b", "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\nx\r\n", Busy}},
		"subscribes inline":  {{"c", "psubscribe *\r\n", Busy}, {"b", "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n", Busy}},
		"monitors":           {{"c", cmd("MONITOR"), Busy}, {"b", ok, Busy}},
		"replicates":         {{"c", cmd("PSYNC", "?", "-1"), Busy}, {"b", "+FULLRESYNC x 0\r\n$3\r\nabc", Busy}},
		"wants no replies":   {{"c", cmd("CLIENT", "REPLY", "OFF"), Busy}, {"c", get, Busy}},
		"names itself":       {{"c", cmd("CLIENT", "SETNAME", "x"), Busy}, {"b", ok, Idle}},
		"TLS":                {{"c", "\x16\x03\x01\x02\x00", Unknown}},
		"not asked for":      {{"b", "+OK\r\n", Busy}},
		"another protocol":   {{"c", "*x\r\n", Unknown}},
		"a backend of other": {{"c", get, Busy}, {"b", "HTTP/1.1 400 Bad Request\r\n", Unknown}},
		"a line too long":    {{"c", strings.Repeat("x", respMostLine+1), Unknown}},
		"too deep":           {{"c", get, Busy}, {"b", strings.Repeat("*1\r\n", respMostDepth+1), Unknown}},
	})
}
