//go:build !unix

package config

import "io/fs"

// mayWrite and executable cannot be known on these systems without trying.
func mayWrite(string) bool { return true }

func executable(fs.FileInfo) bool { return true }
