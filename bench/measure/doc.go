// Package measure is what all benchmarks here have in common: peers that run as processes of their
// own and take turns, the side that writes lines and the sockets that read them, and figures,
// claims and tables.
//
// It does not know what is measured: which peers there are, what a trial does and what is claimed
// of it is said by the benchmark, one command each beside this package.
//
// A benchmark's clients and its appender are the benchmark itself in another process, started as
// `NAME as ROLE` with a job in JSON on stdin (helper.go). Their lines have a number and the time
// at which they were written (lines.go), so that each client can say how old a line is, and which
// were lost, doubled, reordered or torn.
package measure
