// Package history is the flight recorder of an instance: how each service and
// backend was, second by second, and all that was done and happened, in one
// SQLite file that people can read with sqlite3.
//
//	r := history.New(history.Config{File: "/var/lib/tcpctl/history.db"}, logger)
//	proxy.HandoverOf(engine).Remember(r.Past()) // numbers go on
//	r.Start(local)                       // a snapshot a second from now on
//	…                                    // r is the api.History of that instance
//	defer r.Close()                      // after the engine's end
//
// Nothing waits for it. One goroutine samples: it asks the engine for a Status
// once a second, reads the ring of events, and puts both into a channel of
// bounded size. Another writes what comes from there, each second in one
// transaction. A disk that is full, slow, stuck or damaged, and a file that
// another process has locked, cost history and nothing else: what could not be
// written is counted, and said once in the log and in the status. Counts are
// differences to what was last written, so that a second that is missing is in
// the next one.
//
// # What is kept
//
// Series of services and backends in steps of 1 s for ten minutes, 10 s for six
// hours, and of a minute as long as Config.Keep; and of one and three hours, by which a
// question about a month is answered at once. Longer steps are made from
// shorter ones by SQL alone, so that a crash between the two loses nothing. A
// state that changes is a row in changes, with what a Status says of it beside
// the numbers; so a Status can be made for every moment. Of each minute and
// service the clients that used it most. Who was in a queue or held a
// slot has a row in clients for as long, each peer and the plan one in details
// when they change: the first clientsMost and peersMost, and detailsMost rows.
// Events, of which acts and marks are
// views, and the reports of plans.
//
// Times are Unix times, in seconds for steps (their beginning) and in
// milliseconds where a column is called at_ms. When the clock is set back, the
// steps that come again are written over.
//
// # An upgrade
//
// Suspend and Resume hand the recording from one process to the next: the old
// one takes a last snapshot and closes the file, on its own time; the new one
// begins with the counters of that moment. Both may have the file open (WAL).
package history
