// Package durable writes files that a crash leaves whole, and lets processes take
// turns at them.
//
// It does not know what is in a file, or whose it is; it does not log: it returns
// what it knows.
package durable
