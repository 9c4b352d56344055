// Package raftlog is the log on which the voters of a cluster agree: etcd's raft, with
// its entries in a bbolt file.
//
//   - A [Log] is one voter's part, a [cluster.Log]. It does nothing by itself: one
//     goroutine calls Tick, Step for each message, and Advance, which writes to disk
//     and then sends.
//   - A [Node] is that goroutine, for a Log and the [cluster.Voter] over it.
//   - [Create] makes the log of a new cluster, [Join] that of a future voter.
//
// A voter whose disk fails, or whose log has less than it promised to keep, stops: it
// sends and votes no more, Err says why, and nothing else ends. DESIGN.md of
// lock/cluster has the reasons.
package raftlog
