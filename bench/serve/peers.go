//go:build linux

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"fairlead/bench/measure"
)

// The names of the peers, as they stand in the tables.
const (
	bulkC    = "C sendfile"
	latencyC = "C epoll"
	tailsrv  = "tailsrv " + tailsrvVersion

	tailsrvVersion = "0.9.3"
)

var (
	//go:embed epoll.c
	epollSource []byte
)

// findPeers builds or finds each peer. One that cannot be had is left out, and the reason printed
// and returned.
func findPeers(ctx context.Context, root, dir string, install bool) (peers []measure.Peer, leftOut []string) {
	add := func(name string, descriptors int, path string, err error, argv func(path, port, file string) []string) {
		if err != nil {
			leftOut = append(leftOut, fmt.Sprintf("%s is left out: %v", name, err))
			measure.Progress("%s", leftOut[len(leftOut)-1])
			return
		}
		peers = append(peers, measure.Peer{Name: name, Descriptors: descriptors, Argv: func(port int, file string) []string {
			return argv(path, strconv.Itoa(port), file)
		}})
	}
	portAndFile := func(path, port, file string) []string { return []string{path, port, file} }

	path, err := measure.BuildFairlead(ctx, root, dir)
	add(measure.Fairlead, 1, path, err, func(path, port, file string) []string {
		return []string{path, "serve", "--listen", "127.0.0.1:" + port, "--http", "off", file}
	})
	path, err = measure.Compile(ctx, dir, "sendfile", measure.SendfileSource)
	add(bulkC, 1, path, err, portAndFile)
	path, err = measure.Compile(ctx, dir, "epoll", epollSource)
	add(latencyC, 1, path, err, portAndFile)
	path, err = findTailsrv(ctx, install)
	add(tailsrv, 3, path, err, func(path, port, file string) []string {
		return []string{path, "-p", port, file}
	})
	return peers, leftOut
}

// findTailsrv installs it once, outside the repository, and finds it there afterwards.
func findTailsrv(ctx context.Context, install bool) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	root := filepath.Join(cache, "fairlead-bench", "tailsrv-"+tailsrvVersion)
	path := filepath.Join(root, "bin", "tailsrv")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if !install {
		return "", errors.New("it is not installed, and -quick installs nothing: run once without")
	}
	cargo, err := exec.LookPath("cargo")
	if err != nil {
		return "", errors.New("there is no cargo to install it with")
	}
	measure.Progress("installing tailsrv %s (once)", tailsrvVersion)
	return path, measure.RunQuietly(exec.CommandContext(ctx, cargo, "install", "tailsrv",
		"--version", tailsrvVersion, "--root", root))
}
