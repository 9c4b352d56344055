package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processesWith lists the processes with word in their command line, such as the socket of an
// instance, which all its generations have.
func processesWith(word string) (pids []int) {
	for pid, words := range commandLines() {
		if slices.Contains(words, word) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// commandLines returns the command lines of all other live processes.
func commandLines() map[int][]string {
	all := map[int][]string{}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a glob would also read each process's folder
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		if text, err := os.ReadFile("/proc/" + name + "/cmdline"); err == nil && len(text) > 0 {
			all[pid] = strings.Split(string(bytes.TrimRight(text, "\x00")), "\x00")
		}
	}
	return all
}

// killAll kills the processes of an instance, and waits for their end, also of those that they
// start meanwhile. An ending process may have no command line but still hold its ports.
func killAll(socket string) {
	var killed []int
	for began := time.Now(); time.Since(began) < patience; restSince(began) {
		all := processesWith(socket)
		for _, pid := range all {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		killed = slices.DeleteFunc(append(killed, all...), hasEnded)
		if len(all)+len(killed) == 0 {
			return
		}
	}
}

// hasEnded reports whether all threads of a process have ended.
func hasEnded(pid int) bool {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return !slices.ContainsFunc(files, func(f string) bool {
		text, err := os.ReadFile(f)
		_, state, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" "))
		return err == nil && len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
	})
}

// leftovers kills the processes of the program that tests left behind, and returns their command
// lines.
func leftovers() (found []string) {
	path, err := exec.LookPath("tcpctl")
	if err != nil {
		return nil
	}
	ours, err := os.Stat(path)
	if err != nil {
		return nil
	}
	for began := time.Now(); ; restSince(began) { // some may be about to end
		found = nil
		late := time.Since(began) > 10*time.Second
		for pid, words := range commandLines() {
			exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
			if err != nil || !os.SameFile(exe, ours) {
				continue
			}
			found = append(found, fmt.Sprintf("%d %s", pid, strings.Join(words, " ")))
			if late {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if late || len(found) == 0 {
			return found
		}
	}
}
