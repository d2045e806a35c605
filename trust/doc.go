// Package trust says who is at the other end of a connection, and what the
// machines and people that Fairlead knows may do.
//
// It does not decide what a log, a command or a page is worth protecting: the
// rooms ask, and act on the answer. It does not keep passwords, and it knows no
// user by name. So far it answers two questions: whose process a connection of
// this machine belongs to ([PeerUID]), because any local account reaches
// loopback, and whether a page of another site makes a browser ask
// ([OtherSite]); the machine's key, the list of trusted keys with their roles, join
// tokens and the port that machines share come here with the rooms that need
// them.
//
// Nothing is written to disk. On Linux the first question is one exact query to the
// kernel (sock_diag, see sock_diag(7)), never a walk over all sockets.
package trust
