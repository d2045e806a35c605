// Command serve measures `fairlead serve` beside the least that could do its work: two small C
// servers (sendfile.c is the limit for bulk, epoll.c for latency) and tailsrv 0.9.3. All of them
// serve the same files to the same clients in one run and in turns, so that what the machine does
// meanwhile happens to all; medians and ratios are printed and written to bench/RESULTS.md.
//
// It does not compare across runs or machines: absolute figures are printed to show the scale, and
// only the ratios within a run are claims. It does not test: that bytes are right is the business
// of the tests, though every line of a latency run is checked for its number.
//
// The clients, the appender and each server are processes of their own. The first two are this
// program again, started as `serve as ROLE` with a job in JSON on stdin (bench/measure).
package main
