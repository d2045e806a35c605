// Package trust says who is at the other end of a connection, and what the
// machines and people that Fairlead knows may do.
//
// It does not decide what a log, a command or a page is worth protecting: the
// rooms ask, and act on the answer. It does not keep passwords or the secrets of
// tokens, and it knows no user by name. So far it answers three questions: whose
// process a connection of this machine belongs to ([PeerUID], [Ours]), because any
// local account reaches loopback; whether a page of another site makes a browser
// ask ([OtherSite]); and whether a token lets somebody in ([Tokens]). [Access] puts
// the three together for HTTP. The machine's key, the list of trusted keys with
// their roles, join tokens and the port that machines share come here with the
// rooms that need them.
//
// On Linux the first question is one exact query to the kernel (sock_diag, see
// sock_diag(7)), never a walk over all sockets. The only thing on disk is the file
// of tokens, lines of text that are only ever added to.
package trust
