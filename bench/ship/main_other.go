//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "ship: the benchmark needs Linux (inotify, syncfs, /proc): run it there")
	os.Exit(1)
}
