package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tcpctl/tcpctl/mesh/internal/plain"
	"github.com/tcpctl/tcpctl/mesh/meshinfo"
)

// remembered is one peer in the cache file.
type remembered struct {
	told
	Seen time.Time `json:"seen"`
}

const (
	rememberFor = 30 * 24 * time.Hour
	saveEvery   = 5 * time.Second
	maxMemory   = 1 << 20
)

// recall dials those that the cache file tells of. A file that is not there, or is damaged, is a warning.
func (n *Node) recall(w *watched) {
	body, err := os.ReadFile(n.cfg.CacheFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var peers []remembered
	if err == nil {
		peers, err = parseMemory(body)
	}
	if err != nil {
		w.Warn(err.Error())
		return
	}
	for _, p := range peers {
		if time.Since(p.Seen) < rememberFor && len(p.Addrs) > 0 {
			n.found(Sighting{ID: p.ID, Name: p.Name, Addrs: p.Addrs}, sourceMemory)
		}
	}
}

func parseMemory(body []byte) ([]remembered, error) {
	if len(body) > maxMemory {
		return nil, fmt.Errorf("mesh: cache file of %d bytes: the limit is %d", len(body), maxMemory)
	}
	var peers []remembered
	if err := json.Unmarshal(body, &peers); err != nil {
		return nil, fmt.Errorf("mesh: cache file: %w", err)
	}
	if len(peers) > maxTold {
		return nil, fmt.Errorf("mesh: cache file: %d peers: the limit is %d", len(peers), maxTold)
	}
	for i, p := range peers {
		if !plain.ID(p.ID) || !plain.Name(p.Name) || len(p.Addrs) > maxAddrs {
			return nil, fmt.Errorf("mesh: cache file: bad entry %d", i)
		}
	}
	return peers, nil
}

// remember writes the cache file when something has changed, and once more at the end.
func (n *Node) remember(w *watched) {
	defer n.wg.Done()
	for n.end.Err() == nil {
		sleep(n.end, saveEvery)
		n.mu.Lock()
		dirty := n.memoryDirty
		n.memoryDirty = false
		peers := []remembered{}
		for _, p := range n.peers {
			seen := p.seen
			if p.link != nil {
				seen = time.Now()
			}
			if !seen.IsZero() && p.cause != meshinfo.Departed && len(peers) < maxTold {
				peers = append(peers, remembered{told{p.id, p.name, slices.Clone(p.addrs)}, seen.UTC()})
			}
		}
		n.mu.Unlock()
		if !dirty {
			continue
		}
		if err := writeWhole(n.cfg.CacheFile, peers); err != nil {
			w.Warn(err.Error())
		} else {
			w.Warn("")
		}
	}
}

// writeWhole never leaves half a file: it writes another and renames it.
func writeWhole(path string, peers []remembered) error {
	body, err := json.MarshalIndent(peers, "", " ")
	if err != nil {
		return fmt.Errorf("mesh: cache file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("mesh: cache file: %w", err)
	}
	_, err = f.Write(append(body, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("mesh: cache file: %w", err)
	}
	return nil
}
