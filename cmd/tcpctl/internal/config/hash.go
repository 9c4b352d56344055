package config

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sort"
	"strings"
)

// Hash is short, and the same for files that mean the same: comments, the
// order of services, and whether a value was inherited do not matter.
func (f *File) Hash() string {
	all := slices.DeleteFunc(f.unusual(), inherited)
	sort.SliceStable(all, func(i, j int) bool { return all[i].path < all[j].path })
	h := sha256.New()
	for _, l := range all {
		h.Write([]byte(l.path + " = " + l.text + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// inherited reports whether a leaf belongs to [defaults], whose values services have as their own.
func inherited(l leaf) bool { return strings.HasPrefix(l.path, "defaults.") }
