// Command ship measures `fairlead ship` and `fairlead receive`: files that are brought to another
// directory over TCP, as they are and while they grow. Beside them, in one run and in turns, stand
// socat, rsync, rsyslog, and the limit: what both ends have to do with each byte, done in one process
// without a connection (limit.go). Medians and ratios are printed and written to bench/SHIP.md.
//
// It does not compare across runs or machines: absolute figures are printed to show the scale, and
// only the ratios within a run are claims. It does not test: that copies are right after kills and
// rotations is the business of the tests, though every copy is compared with its source.
//
// Each tool is two processes, a receiver and a sender; what reads, appends or works alone is this
// program again, `ship as ROLE` with a job in JSON on stdin (bench/measure).
package main
