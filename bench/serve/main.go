//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "as" {
		exit(help(os.Args[2], os.Stdin, os.Stdout))
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "a smoke of under 40 s: one turn, small counts; its figures mean nothing")
	flag.StringVar(&o.only, "only", "", "run one part: bulk, latency or idle")
	flag.StringVar(&o.out, "o", "", "write the results to this file (default: bench/RESULTS.md for a whole run, else none)")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where the files to serve go: 1.1 GiB that the page cache holds")
	flag.Parse()
	if flag.NArg() > 0 {
		exit(fmt.Errorf("unknown argument %q: see -help", flag.Arg(0)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err == nil {
		os.Exit(0)
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted: no results")
	}
	fmt.Fprintln(os.Stderr, "serve:", err)
	os.Exit(1)
}
