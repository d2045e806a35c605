//go:build linux

package measure

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Fairlead is the name of what is measured, as it stands in the tables.
const Fairlead = "Fairlead"

// Peer is a server that can be started on one file.
type Peer struct {
	Name        string
	Argv        func(port int, path string) []string
	Descriptors int      // that it holds for each client
	Env         []string // besides our own
	Dials       bool     // it connects to the port, when it has something to send
	Port        int      // 0: any that is free
}

// SendfileSource is a C server: one growing file to many clients, a thread for each.
//
//go:embed sendfile.c
var SendfileSource []byte

// BuildFairlead builds it as it is released: static, without paths of this machine.
func BuildFairlead(ctx context.Context, root, dir string) (string, error) {
	path := filepath.Join(dir, "fairlead")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/fairlead")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return path, RunQuietly(cmd)
}

// Compile compiles a C server.
func Compile(ctx context.Context, dir, name string, source []byte) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", errors.New("there is no C compiler: install cc")
	}
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, cc, "-O2", "-pthread", "-x", "c", "-o", path, "-")
	cmd.Stdin = bytes.NewReader(source)
	return path, RunQuietly(cmd)
}

// FindRsyslog returns the path of rsyslogd, which is not in everybody's PATH.
func FindRsyslog() (string, error) {
	for _, name := range []string{"rsyslogd", "/usr/sbin/rsyslogd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("it is not installed (Debian has it as rsyslog)")
}

// RunQuietly runs a command and shows what it printed only if it failed.
func RunQuietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	Progress("%s", out)
	return fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
}

// Pick returns the peers with these names, in this order, as far as they are here.
func Pick(peers []Peer, names ...string) []Peer {
	var picked []Peer
	for _, name := range names {
		for _, p := range peers {
			if p.Name == name {
				picked = append(picked, p)
			}
		}
	}
	return picked
}
