// Package upgrade replaces a running instance by a new process, which may be
// another binary, without refusing a client. The old process is the
// predecessor, the new one the successor:
//
//	old: s, err := upgrade.Begin(argv, env, offer, duties) // until the new one accepts
//	     err = s.Settle()                                  // until it owns everything
//	new: p, err := upgrade.Take()                          // nil: this process has no predecessor
//	     …                                                 // opens what p.Offer has
//	     state, err := p.Ready(stop)                       // until the old one accepts no more
//	     …                                                 // accepts
//	     p.Accepting(…)                                    // until all is ours
//
// # A handover
//
// Both have the same listening sockets, and clients wait in their backlogs, so
// that no client is refused as long as one of the two lives. The phase says
// which of them accepts (phase.go; a test goes through every order of events):
//
//		phase      predecessor                         successor                      deadline
//		offered    accepts                             opens, then says ready         30 s
//		started    accepts no more, says go            starts, then says accepting    5 s
//		accepting  keeps the descriptors, for a while  accepts; says settled in 1 s   10 s
//		released   has released, and says so          is the main process            10 s
//
//	  - The successor dies, fails, sends something unexpected, or does not reach
//	    the next phase in time, before it is released: the predecessor kills it
//	    and its process group, and accepts. So a new version that crashes at its
//	    first client costs nothing but that client.
//	  - The predecessor dies: the successor accepts with the last state it received.
//	    The offer is complete before the process begins.
//	  - The mesh and the place of systemd's main process pass with the release:
//	    before it nothing outside has to be taken back.
//	  - What can be changed by an act passes with "go", and acts are refused from
//	    then until the successor accepts: none is lost.
//	  - A signal to stop ends an upgrade; a reload, closing and opening wait for
//	    its end.
//
// # Generations
//
// After the release the predecessor serves the clients that it has, as long as
// they want, and listens on a socket of its own (ServeFollowers) on which
// every later process asks it what it still has (Follow), and for what the
// control socket would answer. So a process that is between the two may end,
// or die, without any effect on the others. Without a successor it serves on; only a
// stop passes on to it.
//
// The two exchange JSON, a line a message, over a pair of Unix sockets that the
// predecessor has made. All of this is Linux's; other systems refuse an upgrade.
package upgrade
