package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the Config.File of a history that ends with the process.
const Memory = "memory"

// lockWait is how long a statement waits for another process that has the file
// locked. Only the writing goroutine and readers wait.
const lockWait = 500 * time.Millisecond

// store is an open file. The writing goroutine owns it; others only use read.
type store struct {
	path        string // Memory
	write, read *sql.DB
	info        fs.FileInfo           // of the opened file
	inserts     [len(kinds)]*sql.Stmt // of a second, prepared once: parsing them was a sixth of its cost

	things map[thing]int64
	last   map[thing]change // the newest change of each thing, without its time
	// What putDetails last wrote; nil: nothing yet.
	clients map[clientID]client
	details map[detailID]detail
	rolled  [len(levels)]int64
	tops    [len(talkerLevels)]int64 // the time up to which talkers have been rolled up
	newest  int64                    // the newest second that was written
}

// thing is a service, or a backend of one.
type thing struct{ service, backend string }

// open opens the file at path, and creates it if need be.
func open(path string) (_ *store, err error) {
	s := &store{path: path, things: map[thing]int64{}, last: map[thing]change{}}
	pragmas := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", lockWait.Milliseconds())}, "_txlock": {"immediate"}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if path == Memory {
		if s.write, err = sql.Open("sqlite", ":memory:?"+pragmas.Encode()); err != nil {
			return nil, err
		}
		s.write.SetMaxOpenConns(1) // in memory, each connection would have its own database
		s.write.SetConnMaxIdleTime(0)
		s.read = s.write
	} else {
		// SQLite gives its other files the mode of this one.
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if s.info, err = f.Stat(); err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, err
		}
		reading := url.Values{"_pragma": {pragmas["_pragma"][0], "query_only(1)"}}
		for _, p := range []string{"auto_vacuum(2)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(4194304)", "wal_autocheckpoint(500)"} {
			pragmas.Add("_pragma", p)
		}
		name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?"
		if s.write, err = sql.Open("sqlite", name+pragmas.Encode()); err != nil {
			return nil, err
		}
		s.write.SetMaxOpenConns(1)
		if s.read, err = sql.Open("sqlite", name+reading.Encode()); err != nil {
			return nil, err
		}
		s.read.SetMaxOpenConns(4)
		s.read.SetMaxIdleConns(1)
	}
	if err = s.migrate(); err == nil {
		err = s.prepare()
	}
	if err == nil {
		err = s.recall()
	}
	return s, err
}

// prepare prepares the inserts of a second.
func (s *store) prepare() (err error) {
	for i, k := range kinds {
		if s.inserts[i], err = s.write.Prepare(k.insert()); err != nil {
			return err
		}
	}
	return nil
}

// migrate brings the file to this version. It refuses a file of a later version.
func (s *store) migrate() error {
	var version int
	if err := s.write.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("%s is of a later version of tcpctl (%d, this one knows %d); give this one a file of its own: [history] file", s.path, version, len(migrations))
	}
	for n := version; n < len(migrations); n++ {
		if err := s.transact(func(tx *sql.Tx) error {
			if _, err := tx.Exec(migrations[n]()); err != nil {
				return err
			}
			_, err := tx.Exec("PRAGMA user_version = " + strconv.Itoa(n+1))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// recall reads the state from which the writer continues.
func (s *store) recall() error {
	err := each(s.write, func(scan func(...any) error) error {
		var id int64
		var t thing
		if err := scan(&id, &t.service, &t.backend); err != nil {
			return err
		}
		s.things[t] = id
		return nil
	}, "SELECT id, service, backend FROM things")
	if err != nil {
		return err
	}
	for t, id := range s.things {
		c := change{}
		err := s.write.QueryRow("SELECT state, info FROM changes WHERE thing = ? ORDER BY at_ms DESC LIMIT 1", id).Scan(&c.state, &c.info)
		switch {
		case err == nil:
			s.last[t] = c
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
	}
	for l := range levels {
		for _, k := range kinds {
			var at sql.NullInt64
			if err := s.write.QueryRow("SELECT max(at) FROM "+k.at(l)+" WHERE at <= ?", time.Now().Unix()).Scan(&at); err != nil {
				return err
			}
			s.rolled[l] = max(s.rolled[l], at.Int64+levels[l].step)
			if l == 0 {
				s.newest = max(s.newest, at.Int64)
			}
		}
	}
	for l := 1; l < len(talkerLevels); l++ {
		var at sql.NullInt64
		if err := s.write.QueryRow("SELECT max(at) FROM "+talkerLevels[l].table+" WHERE at <= ?", time.Now().Unix()).Scan(&at); err != nil {
			return err
		}
		if at.Valid {
			s.tops[l] = at.Int64 + talkerLevels[l].step
		}
	}
	return nil
}

func (s *store) transact(do func(*sql.Tx) error) error {
	tx, err := s.write.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

// close closes the file. What was written is already durable.
func (s *store) close() {
	if s.write != nil {
		s.write.Close()
	}
	if s.read != nil {
		s.read.Close()
	}
}

// moved reports whether the file was replaced or removed.
func (s *store) moved() bool {
	if s.path == Memory {
		return false
	}
	info, err := os.Stat(s.path)
	return err != nil || !os.SameFile(info, s.info)
}

// damaged reports whether an error means that the file is no history, or is corrupt.
func damaged(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// setAside renames a damaged file, and those that belong to it. Only the newest damaged file is
// kept.
func setAside(path string, now time.Time) (to string, err error) {
	old, _ := filepath.Glob(path + ".damaged-*")
	for _, name := range old {
		os.Remove(name)
	}
	to = path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	for _, more := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+more, to+more); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return to, nil
}

type queryer interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// each calls row for each row of a query.
func each(db queryer, row func(scan func(...any) error) error, query string, args ...any) error {
	return eachContext(context.Background(), db, row, query, args...)
}

func eachContext(ctx context.Context, db queryer, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
