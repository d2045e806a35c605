package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"fairlead/serve"
)

func newMirror(c *common) *cobra.Command {
	m := &mirrorCommand{common: c}
	cmd := &cobra.Command{
		Use:   "mirror [flags] HOST[:PORT] FILE",
		Short: "keep a copy of a file that another machine serves",
		Example: `  fairlead mirror webserver:4321 access.log
  fairlead mirror --log syslog webserver:4321 syslog    one of many there
  fairlead mirror --once webserver:4321 access.log      until the server closes`,
		Long: `The server is a "fairlead serve" or an original tailsrv. The copy's last 64
bytes are asked for again, and what comes behind them is appended only if the
server has the same ones. If not, as after a rotation, FILE is renamed to
FILE.diverged-TIME, never over another file, and a new copy begins at 0.

The length of the copy is all that is remembered: stop and start it as you like.
FILE is locked meanwhile. A lost connection is tried again after 1 s, then less
and less often, up to every 30 s. What was appended is synced after a second of
quiet, every ten seconds, and at the end.

Exit codes: 0 ok, 1 the copy cannot be written, 4 --once and no server there.`,
		Args: wants(2, 2, "HOST:PORT, or the FILE to copy to,"),
		RunE: func(cmd *cobra.Command, args []string) error { return m.run(cmd.Context(), args[0], args[1]) },
	}
	f := cmd.Flags()
	f.StringVar(&m.logName, "log", "", "`NAME` of the file at a server of many")
	f.BoolVar(&m.once, "once", false, "end when the server closes, and if there is none")
	f.BoolVar(&m.tls, "tls", false, "the server speaks TLS")
	f.StringVar(&m.ca, "tls-ca", "", "trust the certificates in `FILE`, and no others (implies --tls)")
	f.StringVar(&m.name, "name", "", "`NAME` of this process in `fairlead status`")
	f.StringVar(&m.state, "state", "", "`DIR` for the local socket")
	return cmd
}

type mirrorCommand struct {
	*common
	logName string
	once    bool
	tls     bool
	ca      string
	name    string
	state   string
}

func (m *mirrorCommand) run(ctx context.Context, addr, path string) error {
	if err := m.check(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, "4321")
	}
	secure, err := m.tlsConfig()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	bar := newBar(filepath.Base(path), !m.quiet && isTerminal(os.Stderr))
	log := m.loggerTo(bar)
	ctx, stop := untilSignal(ctx)
	defer stop()
	state, err := openState(m.state, log)
	if err != nil {
		return err
	}
	defer state.Close()
	mirror := &serve.Mirror{Addr: addr, Path: path, Name: m.logName, Once: m.once, TLS: secure,
		Log: log.With("room", "serve"), Progress: bar.at}
	l := &local{command: "mirror", name: m.name, mirror: mirror, log: log}
	defer l.start(ctx, state.dir)()
	notifyReady("mirroring " + addr + " to " + path)
	err = mirror.Run(ctx)
	bar.end()
	if errors.Is(err, serve.ErrUnreachable) {
		return exitf(exitUnreachable, "%s: %w", addr, err)
	}
	return err
}

// tlsConfig returns nil for a server in the clear.
func (m *mirrorCommand) tlsConfig() (*tls.Config, error) {
	if !m.tls && m.ca == "" {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS13}
	if m.ca == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(m.ca)
	if err != nil {
		return nil, usagef("--tls-ca: %v", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, usagef("--tls-ca %s: there is no certificate in it (PEM)", m.ca)
	}
	return cfg, nil
}
