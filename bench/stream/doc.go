// Command stream measures `fairlead logwisp`: lines of a log that become JSON entries for many
// clients, over TCP and as Server-Sent Events. Beside it, in one run and in turns, stands the least
// that could do its work: a reference that encodes once and keeps nothing (reference.go), a C server
// that knows only sendfile, and rsyslog. Medians and ratios are printed and written to
// bench/STREAM.md.
//
// It does not compare across runs or machines: absolute figures are printed to show the scale, and
// only the ratios within a run are claims. It does not test: that entries are right is the business
// of the tests, though every line that a client of a live stream gets is checked for its number.
//
// The clients, the appender, each server and what parses on one core are processes of their own. All
// but Fairlead, rsyslog and the C server are this program again: `stream as ROLE` with a job in JSON
// on stdin (bench/measure), and `stream reference OUTLET PORT FILE`.
package main
