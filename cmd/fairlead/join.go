package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/trust"
)

// joinTokenFile names the file that a join token is read from.
const joinTokenFile = "FAIRLEAD_JOIN_TOKEN_FILE"

func newJoin(c *common) *cobra.Command {
	j := &joinCommand{common: c}
	cmd := &cobra.Command{
		Use:   "join [flags] TOKEN|-",
		Short: "join another machine, with a token of its `fairlead invite`",
		Example: `  fairlead join fl1-aebagbafaydqqcik...
  ssh hub fairlead invite -q | fairlead join -
  FAIRLEAD_JOIN_TOKEN_FILE=/run/secrets/join fairlead join`,
		Long: `The token says where the other machine, the hub, is, and what its key is. The
hub is shown the secret in it and our key, and trusts that from then on; it is
added to those this machine trusts. Nothing else is to be set up here, and
to join again with the same token does no harm.

A token in an argument can be seen by all users of this machine while this
runs; - reads it from stdin.

Exit codes: 0 ok, 1 the hub said no, or another machine answers, 2 usage or a
token that is not whole, 4 the hub cannot be reached.`,
		Args: wants(0, 1, ""),
		RunE: func(cmd *cobra.Command, args []string) error { return j.run(cmd.Context(), args, cmd.InOrStdin()) },
	}
	cmd.Flags().StringVar(&j.name, "name", "", "`NAME` of this machine at the hub (its host name)")
	identityFlag(cmd.Flags(), &j.state)
	return cmd
}

type joinCommand struct {
	*common
	name  string
	state string
}

func (j *joinCommand) run(ctx context.Context, args []string, stdin io.Reader) error {
	if err := j.check(); err != nil {
		return err
	}
	name := cmp.Or(j.name, machineName())
	if err := trust.CheckMachineName(name); err != nil {
		return usagef("--name: %v", err)
	}
	text, err := joinTokenText(args, stdin)
	if err != nil {
		return err
	}
	token, err := trust.ParseJoinToken(text)
	if err != nil {
		return usagef("%v", err)
	}
	own, err := j.openIdentity(j.state)
	if err != nil {
		return err
	}
	key, err := own.key()
	if err != nil {
		return err
	}
	if token.Key == key.Public() {
		return usagef("this machine made that token itself: it is for another one")
	}
	joined, err := trust.Join(ctx, key, token, name, buildVersion().Version)
	if errors.Is(err, trust.ErrUnreachable) {
		return exitf(exitUnreachable, "%w\nlook whether it listens there (`fairlead status` on the hub), and what is in between; "+
			"`fairlead invite --advertise HOST:PORT` names other addresses", err)
	}
	if err != nil {
		return err
	}
	hub, err := own.trusted().Admit(joined.Hub)
	if err != nil {
		return fmt.Errorf("%s trusts this machine as %s, but not the other way round: %w; join again with the same token",
			joined.Hub.Name, joined.Name, err)
	}
	if !j.quiet {
		fmt.Fprint(os.Stderr, printable(welcomeAt(hub, joined)))
	}
	return nil
}

// welcomeAt says what works now.
func welcomeAt(hub trust.Machine, joined trust.Joined) string {
	var b strings.Builder
	fmt.Fprintf(&b, "joined %s, where this machine is %s\n", hub.Name, joined.Name)
	if slices.Contains(joined.Roles, trust.RoleSend) {
		fmt.Fprintf(&b, "  fairlead ship /var/log --to %s\n", hub.Name)
	}
	if slices.Contains(joined.Roles, trust.RoleReceive) {
		fmt.Fprintf(&b, "it ships to this machine once that is allowed here: fairlead key add %s %s --role send\n", hub.Name, hub.Key)
	}
	return b.String()
}

// joinTokenText returns the token as it was given.
func joinTokenText(args []string, stdin io.Reader) (string, error) {
	const most = 16 << 10 // bytes, more than any token has
	path := os.Getenv(joinTokenFile)
	switch {
	case len(args) == 1 && args[0] != "-":
		return args[0], nil
	case len(args) == 0 && path == "":
		return "", usagef("the join token is missing: an argument, - for stdin, or a file that $%s names", joinTokenFile)
	case len(args) == 0:
		f, err := os.Open(path)
		if err != nil {
			return "", usagef("$%s: %v", joinTokenFile, err)
		}
		defer f.Close()
		stdin = f
	}
	b, err := io.ReadAll(io.LimitReader(stdin, most))
	if err != nil {
		return "", fmt.Errorf("read the join token: %w", err)
	}
	return string(b), nil
}
