//go:build !linux

package command

import "os"

// hasUnread returns false: this system cannot tell.
func hasUnread(*os.File) bool { return false }
