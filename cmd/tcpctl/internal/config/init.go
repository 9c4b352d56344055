package config

import (
	"bytes"
	_ "embed"
)

//go:embed init.toml
var initial []byte

// Init is the file that tcpctl init prints: it is right as it stands, and has
// every key, in comments with its default; a test fails when one has to be added.
func Init() []byte { return bytes.Clone(initial) }
