package instance

import (
	"sync"
	"time"

	"github.com/tcpctl/tcpctl/proxy/api"
)

// reloads records the results of reloads, for the status.
type reloads struct {
	mu   sync.Mutex
	info api.ReloadInfo
}

// counted wraps a reload to record its result.
func (r *reloads) counted(reload func(by string) ([]string, error)) func(by string) ([]string, error) {
	return func(by string) ([]string, error) {
		changes, err := reload(by)
		r.add(err)
		return changes, err
	}
}

func (r *reloads) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := &r.info
	i.At, i.OK, i.Error = time.Now(), err == nil, ""
	if err != nil {
		i.Error = err.Error()
		i.Failed++
		return
	}
	i.LoadedAt = i.At
	i.Applied++
}

// last returns the result of the last reload.
func (r *reloads) last() *api.ReloadInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.info
	return &i
}
