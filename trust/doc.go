// Package trust says who is at the other end of a connection, and what the
// machines and people that Fairlead knows may do.
//
// It does not decide what a log, a command or a page is worth protecting: the
// rooms ask, and act on the answer. It does not keep passwords or the secrets of
// tokens, and it knows no user by name.
//
// Of people and programs it answers three questions: whose process a connection of
// this machine belongs to ([PeerUID], [Ours]), because any local account reaches
// loopback; whether a page of another site makes a browser ask ([OtherSite]); and
// whether a token lets somebody in ([Tokens]). [Access] puts the three together for
// HTTP. On Linux the first is one exact query to the kernel (sock_diag, see
// sock_diag(7)), never a walk over all sockets.
//
// A machine is known by its key ([OpenKey], [PublicKey]), which it proves in TLS 1.3:
// [Key.Dial] connects to one key and no other, and a [Port] hands connections to
// the listeners of their protocols where the key is among those that are [Trusted].
// Others can only join: [Invitations] are made on one machine, travel as the text of
// a [JoinToken], and are redeemed by [Join] at a [JoinServer].
//
// On disk are the key and three files of lines: tokens and invitations, to which
// lines are only added, and the machines that are trusted. doc/disk.md and
// doc/protocol.md, "The machines' port", have the bytes.
package trust
