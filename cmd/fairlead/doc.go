// Command fairlead guides log lines around a fleet: it turns log files that
// already exist into streams that can be read from any byte on.
//
// It does not hold any of the work: the rooms (package serve and its siblings)
// do that and know nothing of each other. What is here is the command tree, one
// file per command, and what only a program may have: flags, signals, the exit
// code, the terminal, the service manager. Pieces that several commands need
// have a file of their own, named for what it does: listen, state, socket.
//
// Data goes to stdout, messages to stderr. The exit codes are in exit.go.
package main
