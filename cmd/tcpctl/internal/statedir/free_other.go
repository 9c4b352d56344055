//go:build !linux && !darwin && !freebsd

package statedir

import "errors"

// Free fails: it is not known here.
func Free(string) (free, all uint64, err error) { return 0, 0, errors.ErrUnsupported }
