package fleet

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/config"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/quorum"
	"github.com/tcpctl/tcpctl/cmd/tcpctl/internal/statedir"
	"github.com/tcpctl/tcpctl/proxy/api"
)

// WarnCluster adds what is doubtful about a file's cluster and its folder, as that is
// on this system.
func WarnCluster(x *config.Findings, c *config.Cluster) {
	if c == nil {
		return
	}
	dir := clusterDir(c)
	if _, err := os.Stat(dir); err != nil {
		return // created at the first start
	}
	switch err := quorum.CheckLease(dir, c.Lease); {
	case errors.Is(err, os.ErrPermission): // it belongs to the user that runs the instance
	case err != nil:
		x.Wrong("cluster.lease", "write it as it is in the cluster; this node would take no part", err)
	}
	if free, all, err := statedir.Free(dir); err == nil {
		if full := (&api.ClusterDisk{Dir: dir, FreeBytes: free, Bytes: all}).NearlyFull(); full != "" {
			x.Wrong("cluster.dir", api.DiskHint, errors.New(full))
		}
	}
}

// clusterDir returns the folder of a file's cluster; "": none.
func clusterDir(c *config.Cluster) string {
	dir := c.Dir
	if dir == "" {
		state, err := statedir.Path()
		if err != nil {
			return ""
		}
		return filepath.Join(state, "cluster")
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
