//go:build linux

package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The names of the peers, as they stand in the tables.
const (
	fairlead = "Fairlead"
	bulkC    = "C sendfile"
	latencyC = "C epoll"
	tailsrv  = "tailsrv " + tailsrvVersion

	tailsrvVersion = "0.9.3"
)

// peer is a server that can be started on one file.
type peer struct {
	name        string
	argv        func(port int, path string) []string
	descriptors int // that it holds for each client
}

var (
	//go:embed sendfile.c
	sendfileSource []byte
	//go:embed epoll.c
	epollSource []byte
)

// findPeers builds or finds each peer. One that cannot be had is left out, and the reason printed
// and returned.
func findPeers(ctx context.Context, root, dir string, install bool) (peers []peer, leftOut []string) {
	add := func(name string, descriptors int, path string, err error, argv func(path, port, file string) []string) {
		if err != nil {
			leftOut = append(leftOut, fmt.Sprintf("%s is left out: %v", name, err))
			progress("%s", leftOut[len(leftOut)-1])
			return
		}
		peers = append(peers, peer{name, func(port int, file string) []string {
			return argv(path, strconv.Itoa(port), file)
		}, descriptors})
	}
	portAndFile := func(path, port, file string) []string { return []string{path, port, file} }

	path, err := buildFairlead(ctx, root, dir)
	add(fairlead, 1, path, err, func(path, port, file string) []string {
		return []string{path, "serve", "--listen", "127.0.0.1:" + port, "--http", "off", file}
	})
	path, err = compile(ctx, dir, "sendfile", sendfileSource)
	add(bulkC, 1, path, err, portAndFile)
	path, err = compile(ctx, dir, "epoll", epollSource)
	add(latencyC, 1, path, err, portAndFile)
	path, err = findTailsrv(ctx, install)
	add(tailsrv, 3, path, err, func(path, port, file string) []string {
		return []string{path, "-p", port, file}
	})
	return peers, leftOut
}

// buildFairlead builds it as it is released: static, without paths of this machine.
func buildFairlead(ctx context.Context, root, dir string) (string, error) {
	path := filepath.Join(dir, "fairlead")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/fairlead")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return path, runQuietly(cmd)
}

func compile(ctx context.Context, dir, name string, source []byte) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", errors.New("there is no C compiler: install cc")
	}
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, cc, "-O2", "-pthread", "-x", "c", "-o", path, "-")
	cmd.Stdin = bytes.NewReader(source)
	return path, runQuietly(cmd)
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
	progress("installing tailsrv %s (once)", tailsrvVersion)
	return path, runQuietly(exec.CommandContext(ctx, cargo, "install", "tailsrv",
		"--version", tailsrvVersion, "--root", root))
}

// runQuietly runs a command and shows what it printed only if it failed.
func runQuietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	progress("%s", out)
	return fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
}

// pick returns the peers with these names, in this order, as far as they are here.
func (b bench) pick(names ...string) []peer {
	var picked []peer
	for _, name := range names {
		for _, p := range b.peers {
			if p.name == name {
				picked = append(picked, p)
			}
		}
	}
	return picked
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module (run this inside the repository): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
