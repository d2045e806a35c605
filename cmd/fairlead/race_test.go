//go:build race

package main

// raced says that the race detector takes its share of time and memory.
const raced = true
