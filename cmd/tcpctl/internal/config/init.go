package config

import (
	"bytes"
	_ "embed"
)

//go:embed init.toml
var initial []byte

// Init is the file that tcpctl init prints: it is right as it stands, and has
// every key of this version, in comments with its default. What is in later
// is left out; a test fails when a key has to be added.
func Init() []byte { return bytes.Clone(initial) }
