package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tcpctl/tcpctl/proxy"
)

// statePath is where --save keeps what operators have done: beside the file.
func (in *instance) statePath() string { return in.path + ".state" }

// save writes the state file whole, or not at all.
func (in *instance) save() error {
	text, err := json.MarshalIndent(in.engine.Save(), "", "  ")
	if err != nil {
		return err
	}
	path := in.statePath()
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // which fails once it has its name
	_, err = tmp.Write(append(text, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// restore brings back what was saved.
func (in *instance) restore() error {
	if in.path == "" {
		return nil
	}
	text, err := os.ReadFile(in.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var saved proxy.Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		return fmt.Errorf("%s cannot be read: %w; remove it to start without what was saved", in.statePath(), err)
	}
	in.engine.Restore(saved)
	return nil
}
