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

// cachedPeer is one peer in the cache file.
type cachedPeer struct {
	peerAddrs
	Seen time.Time `json:"seen"`
}

const (
	cacheFor     = 30 * 24 * time.Hour
	saveEvery    = 5 * time.Second
	maxCacheFile = 1 << 20
)

// loadCache reports the peers in the cache file as found. An unreadable file is only a warning.
func (n *Node) loadCache(w *runningSource) {
	body, err := os.ReadFile(n.cfg.CacheFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var peers []cachedPeer
	if err == nil {
		peers, err = parseCache(body)
	}
	if err != nil {
		w.Warn(err.Error())
		return
	}
	for _, p := range peers {
		if time.Since(p.Seen) < cacheFor && len(p.Addrs) > 0 {
			n.found(Sighting{ID: p.ID, Name: p.Name, Addrs: p.Addrs}, sourceCache)
		}
	}
}

func parseCache(body []byte) ([]cachedPeer, error) {
	if len(body) > maxCacheFile {
		return nil, fmt.Errorf("mesh: cache file of %d bytes: the limit is %d", len(body), maxCacheFile)
	}
	var peers []cachedPeer
	if err := json.Unmarshal(body, &peers); err != nil {
		return nil, fmt.Errorf("mesh: cache file: %w", err)
	}
	if len(peers) > maxPeerList {
		return nil, fmt.Errorf("mesh: cache file: %d peers: the limit is %d", len(peers), maxPeerList)
	}
	for i, p := range peers {
		if !plain.ID(p.ID) || !plain.Name(p.Name) || len(p.Addrs) > maxAddrs {
			return nil, fmt.Errorf("mesh: cache file: invalid entry %d", i)
		}
	}
	return peers, nil
}

// saveCache writes the cache file after changes, and once more at the end.
func (n *Node) saveCache(w *runningSource) {
	for n.lifetime.Err() == nil {
		sleep(n.lifetime, saveEvery)
		n.mu.Lock()
		dirty := n.cacheDirty
		n.cacheDirty = false
		peers := []cachedPeer{}
		for _, p := range n.peers {
			seen := p.seen
			if p.link != nil {
				seen = time.Now()
			}
			if !seen.IsZero() && p.cause != meshinfo.Departed && len(peers) < maxPeerList {
				peers = append(peers, cachedPeer{peerAddrs{p.id, p.name, slices.Clone(p.addrs)}, seen.UTC()})
			}
		}
		n.mu.Unlock()
		if !dirty {
			continue
		}
		if err := writeCacheFile(n.cfg.CacheFile, peers); err != nil {
			w.Warn(err.Error())
			n.mu.Lock()
			n.cacheDirty = true // try again
			n.mu.Unlock()
		} else {
			w.Warn("")
		}
	}
}

// writeCacheFile writes a temporary file and renames it: the cache is never half written.
func writeCacheFile(path string, peers []cachedPeer) error {
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
