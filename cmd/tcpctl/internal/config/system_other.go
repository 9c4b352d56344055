//go:build !unix

package config

import "io/fs"

// mayWrite and executable are not known here before it is tried.
func mayWrite(string) bool { return true }

func executable(fs.FileInfo) bool { return true }
