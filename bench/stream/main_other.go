//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "stream: the benchmark needs Linux (sendfile, inotify, /proc): run it there")
	os.Exit(1)
}
