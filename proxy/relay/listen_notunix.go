//go:build !unix

package relay

import (
	"errors"
	"os"
)

func dupFile(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }
