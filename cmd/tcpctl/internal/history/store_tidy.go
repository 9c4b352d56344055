package history

import (
	"cmp"
	"database/sql"
	"time"
)

// pruneRows bounds what one pass deletes, so that it does not take long, and so that a clock that
// is years ahead for a moment deletes little.
const pruneRows = 20_000

// tidy makes the longer steps from the shorter ones, and deletes what is too old or too much. It is
// called after each written second.
func (s *store) tidy(now time.Time, keep time.Duration, most int64) error {
	unix := now.Unix()
	due := [len(levels)]bool{}
	for l := 1; l < len(levels); l++ {
		end := unix / levels[l].step * levels[l].step
		if s.rolled[l] > end { // the clock was set back
			s.rolled[l] = end
		}
		due[l] = s.rolled[l] < end
	}
	if !due[1] {
		return nil
	}
	err := s.transact(func(tx *sql.Tx) error {
		for l := 1; l < len(levels) && due[l]; l++ {
			end := unix / levels[l].step * levels[l].step
			for _, k := range kinds {
				if _, err := tx.Exec(k.rollUp(l), s.rolled[l], end); err != nil {
					return err
				}
			}
		}
		for l := 1; l < len(talkerLevels); l++ {
			step := talkerLevels[l].step
			if end := unix / step * step; s.tops[l] != end {
				if err := rollUpTalkers(tx, l, min(s.tops[l], end-step), end); err != nil {
					return err
				}
			}
		}
		return s.prune(tx, now, keep, due)
	})
	if err != nil {
		return err
	}
	for l := 1; l < len(levels) && due[l]; l++ {
		s.rolled[l] = unix / levels[l].step * levels[l].step
	}
	for l := 1; l < len(talkerLevels); l++ {
		s.tops[l] = unix / talkerLevels[l].step * talkerLevels[l].step
	}
	if due[2] {
		return s.shrink(most)
	}
	return nil
}

// prune deletes what has exceeded its age: seconds every ten seconds, everything else every minute.
func (s *store) prune(tx *sql.Tx, now time.Time, keep time.Duration, due [len(levels)]bool) error {
	for l := range levels {
		if l > 0 && !due[2] {
			break
		}
		cutoff := now.Add(-cmp.Or(levels[l].keep, keep)).Unix()
		for _, k := range kinds {
			if err := deleteBefore(tx, k.at(l), "at", cutoff); err != nil {
				return err
			}
		}
	}
	if !due[2] {
		return nil
	}
	old := now.Add(-keep)
	return cmp.Or(deleteBefore(tx, "top_clients", "at", old.Unix()), deleteBefore(tx, "top_clients_1h", "at", old.Unix()), deleteBefore(tx, "top_clients_1d", "at", old.Unix()),
		deleteBefore(tx, "events", "at_ms", old.UnixMilli()), deleteBefore(tx, "reports", "started_ms", old.UnixMilli()),
		deleteBefore(tx, "gaps", "until", old.Unix()), forgetChanges(tx, old), pruneDetails(tx, old.Unix(), detailsMost))
}

// deleteBefore deletes rows older than cutoff, oldest first, at most pruneRows at once.
func deleteBefore(tx *sql.Tx, table, column string, cutoff int64) error {
	var most sql.NullInt64
	err := tx.QueryRow("SELECT max("+column+") FROM (SELECT "+column+" FROM "+table+" WHERE "+column+" < ? ORDER BY "+column+" LIMIT ?)", cutoff, pruneRows).Scan(&most)
	if err != nil || !most.Valid {
		return err
	}
	_, err = tx.Exec("DELETE FROM "+table+" WHERE "+column+" <= ?", most.Int64)
	return err
}

// forgetChanges deletes old changes, except the one of each thing that was in force at the oldest moment.
func forgetChanges(tx *sql.Tx, old time.Time) error {
	_, err := tx.Exec(`DELETE FROM changes WHERE at_ms < ?1 AND EXISTS (SELECT 1 FROM changes n WHERE n.thing = changes.thing AND n.at_ms > changes.at_ms AND n.at_ms <= ?1)`, old.UnixMilli())
	return err
}

// shrink deletes the oldest twentieth, repeatedly, while the file is larger than most.
func (s *store) shrink(most int64) error {
	for range 20 {
		bytes, err := s.bytes()
		if err != nil || most <= 0 || bytes <= most {
			return err
		}
		var oldest, newest sql.NullInt64
		if err := s.write.QueryRow("SELECT (SELECT min(at) FROM (SELECT min(at) AS at FROM service_1m UNION SELECT min(at) FROM top_clients UNION SELECT min(at_ms)/1000 FROM events)), (SELECT max(at) FROM service_1s)").Scan(&oldest, &newest); err != nil {
			return err
		}
		if !oldest.Valid || newest.Int64-oldest.Int64 < 60 {
			return nil // only the present is left
		}
		cutoff := time.Unix(oldest.Int64+max((newest.Int64-oldest.Int64)/20, 60), 0)
		err = s.transact(func(tx *sql.Tx) error {
			for l := range levels {
				for _, k := range kinds {
					if err := deleteBefore(tx, k.at(l), "at", cutoff.Unix()); err != nil {
						return err
					}
				}
			}
			return cmp.Or(deleteBefore(tx, "top_clients", "at", cutoff.Unix()), deleteBefore(tx, "top_clients_1h", "at", cutoff.Unix()), deleteBefore(tx, "top_clients_1d", "at", cutoff.Unix()),
				deleteBefore(tx, "events", "at_ms", cutoff.UnixMilli()), deleteBefore(tx, "reports", "started_ms", cutoff.UnixMilli()), forgetChanges(tx, cutoff), pruneDetails(tx, cutoff.Unix(), detailsMost))
		})
		if err != nil {
			return err
		}
		if _, err := s.write.Exec("PRAGMA incremental_vacuum(2000)"); err != nil {
			return err
		}
	}
	return nil
}

// bytes returns the size of the file without its free pages, and without SQLite's write-ahead log,
// which has 4 MiB at most.
func (s *store) bytes() (int64, error) {
	var pages, free, size int64
	if err := s.write.QueryRow("SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&pages, &free, &size); err != nil {
		return 0, err
	}
	return (pages - free) * size, nil
}
