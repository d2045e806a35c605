package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/internal/config"
	"fairlead/trust"
)

// tokenFile is where tokens are kept, in the state directory.
const tokenFile = "tokens"

func newToken(c *common) *cobra.Command {
	t := &tokenCommand{common: c}
	cmd := &cobra.Command{
		Use:   "token new|list|revoke",
		Short: "let people and programs ask from elsewhere, or act",
		Example: `  fairlead token new alice                   who may look, for 90 days
  fairlead token new ci --role act --ttl 1w  who may also act
  curl -H "Authorization: Bearer $(fairlead token new me)" http://HOST:8080/logs
  fairlead token list
  fairlead token revoke alice`,
		Long: `Whoever asks over HTTP shows a token. Without one, only processes of the
server's own user and of root, on its own machine, may look. Nobody acts without
one.

Tokens are kept by a running "fairlead up", the service's among them, or else in
the file "tokens" of the state directory. Of a secret only the hash is kept.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no %q for tokens: it is new, list or revoke", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddGroup(&cobra.Group{ID: groupSetUp, Title: "commands"})
	for _, sub := range []*cobra.Command{t.newCommand(), t.listCommand(), t.revokeCommand()} {
		sub.GroupID = groupSetUp
		sub.DisableFlagsInUseLine = true
		sub.Flags().SortFlags = false
		cmd.AddCommand(sub)
	}
	return cmd
}

// tokenCommand is the flags of all that is about tokens.
type tokenCommand struct {
	*common
	name   string // of the process
	state  string
	role   string
	ttl    string
	output string
}

func (t *tokenCommand) whereFlags(f *pflag.FlagSet) {
	f.StringVar(&t.name, "name", "", "of several running, the one that was given this `NAME`")
	f.StringVar(&t.state, "state", "", "of several running, the one whose state is in `DIR`; if there is none, what is in DIR itself")
}

func (t *tokenCommand) newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new [flags] NAME",
		Short: "make a token; print its secret, this once",
		Example: `  fairlead token new alice
  fairlead token new ci --role act --ttl never > ci.secret
  curl -H "Authorization: Bearer $(cat ci.secret)" http://HOST:8080/logs`,
		Long: `Stdout has the secret alone; stderr says when it ends, and which page it opens.
If there is a token of that name the new one replaces it: the old secret is
worth nothing from that moment on.

Exit codes: 0 ok, 1 it could not be made, 2 usage, 3 no process of that --name,
4 one does not answer.`,
		Args: wants(1, 1, "the name of the token"),
		RunE: func(cmd *cobra.Command, args []string) error { return t.create(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&t.role, "role", string(trust.RoleView), "`ROLE`: view, or act, which is to view and to act")
	cmd.Flags().StringVar(&t.ttl, "ttl", "90d", "`TIME` until it ends, as 12h, 90d or 4w; or never")
	t.whereFlags(cmd.Flags())
	return cmd
}

func (t *tokenCommand) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [-o json]",
		Short: "the tokens that hold, without their secrets",
		Example: `  fairlead token list
  fairlead token list -o json | jq -r '.[] | select(.role == "act") | .name'`,
		Long: `One that has expired is not listed, nor is one that was revoked.`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return t.list(cmd.Context()) },
	}
	outputFlag(cmd.Flags(), &t.output)
	t.whereFlags(cmd.Flags())
	return cmd
}

func (t *tokenCommand) revokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke NAME",
		Short:   "end a token now",
		Example: `  fairlead token revoke alice`,
		Long: `The next request is refused at once; what is being answered, as a stream that is
open, ends within 5 s.

Exit codes: 0 ok, 3 there is no such token.`,
		Args: wants(1, 1, "the name of the token"),
		RunE: func(cmd *cobra.Command, args []string) error { return t.revoke(cmd.Context(), args[0]) },
	}
	t.whereFlags(cmd.Flags())
	return cmd
}

func (t *tokenCommand) create(ctx context.Context, name string) error {
	if err := errors.Join(t.check(), trust.CheckName(name)); err != nil {
		return usagef("%v", err)
	}
	role, err := trust.ParseRole(t.role)
	if err != nil {
		return usagef("--role: %v", err)
	}
	ttl, err := parseTTL(t.ttl)
	if err != nil {
		return err
	}
	keeper, where, err := t.keeper(ctx)
	if err != nil {
		return err
	}
	made, err := keeper.create(ctx, tokenWish{name, role, int64(ttl / time.Second)})
	if err != nil {
		return err
	}
	out := stdout(false)
	fmt.Fprintln(out, made.Secret)
	if err := out.Close(); err != nil {
		return err
	}
	if !t.quiet {
		fmt.Fprint(os.Stderr, printable(made.words(name, role, where)))
	}
	return nil
}

// words says to a person what a token is for.
func (m tokenMade) words(name string, role trust.Role, where string) string {
	var b strings.Builder
	may := map[trust.Role]string{trust.RoleView: "may look", trust.RoleAct: "may look and act"}[role]
	fmt.Fprintf(&b, "token %q %s: whoever has it %s, %s; it is not shown again\n", name, where, may, untilText(m.Expires))
	if m.Replaced {
		fmt.Fprintf(&b, "the secret that %q had before is worth nothing from now on\n", name)
	}
	for _, page := range m.Pages {
		fmt.Fprintf(&b, "  %s#token=%s\n", page, m.Secret)
	}
	return b.String()
}

func untilText(end time.Time) string {
	if end.IsZero() {
		return "for ever"
	}
	return "until " + timeText(end)
}

func timeText(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

func (t *tokenCommand) list(ctx context.Context) error {
	asJSON, err := wantsJSON(t.output)
	if err = errors.Join(err, t.check()); err != nil {
		return err
	}
	keeper, _, err := t.keeper(ctx)
	if err != nil {
		return err
	}
	list, err := keeper.list(ctx)
	if err != nil {
		return err
	}
	if list.Ignored > 0 {
		fmt.Fprintf(os.Stderr, "fairlead: %s of %s cannot be understood and count for nothing: look whether one was to revoke a token\n",
			count(int64(list.Ignored), "line"), printable(list.File))
	}
	out := stdout(false)
	if asJSON {
		err = printJSON(out, list.Tokens)
	} else {
		list.print(out)
		if len(list.Tokens) == 0 && !t.quiet {
			fmt.Fprintln(os.Stderr, "no token; `fairlead token new NAME` makes one")
		}
	}
	return errors.Join(err, out.Close())
}

func (l tokenList) print(out *output) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range l.Tokens {
		made := "by the configuration"
		if !t.Created.IsZero() {
			made = "made " + timeText(t.Created)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.Name, t.Role, made, untilText(t.Expires))
	}
	table.Flush()
}

func (t *tokenCommand) revoke(ctx context.Context, name string) error {
	if err := errors.Join(t.check(), trust.CheckName(name)); err != nil {
		return usagef("%v", err)
	}
	keeper, where, err := t.keeper(ctx)
	if err != nil {
		return err
	}
	err = keeper.revoke(ctx, name)
	if errors.Is(err, trust.ErrNoToken) {
		return exitf(exitNotFound, "there is no token %q %s: `fairlead token list` has those there are", name, where)
	}
	if err == nil && !t.quiet {
		fmt.Fprintf(os.Stderr, "token %q %s has ended\n", name, printable(where))
	}
	return err
}

// keeper returns who has the tokens, and in words where that is: the one running
// `up` that is meant, or the file of the state.
func (t *tokenCommand) keeper(ctx context.Context) (keeper tokenKeeper, where string, err error) {
	var meant []answerOf[tokenList]
	var silent error
	for _, a := range askAll[tokenList](ctx, t.state, "/tokens") {
		switch {
		case a.err != nil && strings.HasPrefix(a.from(), "up-"):
			silent = errors.Join(silent, fmt.Errorf("%s: %w", a.from(), a.err))
		case a.err == nil && t.means(a.value):
			meant = append(meant, a)
		}
	}
	switch {
	case len(meant) == 1:
		return tokensOfProcess{meant[0].socket}, "at " + meant[0].from(), nil
	case len(meant) > 1:
		return nil, "", usagef("%d of `fairlead up` are running: choose with --name or --state\n%s", len(meant), choices(meant))
	case silent != nil && t.state == "":
		return nil, "", exitf(exitUnreachable, "%w; with --state DIR the file there is used without asking", silent)
	case t.name != "":
		return nil, "", exitf(exitNotFound, "no `fairlead up` with the name %q is running; `fairlead status` shows those that are", t.name)
	}
	return t.ownFile()
}

// means says whether a process is one that the flags allow.
func (t *tokenCommand) means(of tokenList) bool {
	return of.Command == "up" && (t.name == "" || t.name == of.Name) &&
		(t.state == "" || sameDir(t.state, filepath.Dir(of.File)))
}

func sameDir(a, b string) bool {
	fa, errA := os.Stat(a)
	fb, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(fa, fb)
}

func choices(of []answerOf[tokenList]) string {
	var lines []string
	for _, a := range of {
		line := fmt.Sprintf("  %s --state %s", a.from(), filepath.Dir(a.value.File))
		if a.value.Name != "" {
			line += " --name " + a.value.Name
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// ownFile is the file of the state, for a process that is yet to come.
func (t *tokenCommand) ownFile() (keeper tokenKeeper, where string, err error) {
	dir, err := lastingState(t.state, "a token", t.logger())
	if err != nil {
		return nil, "", err
	}
	tokens := &trust.Tokens{Path: filepath.Join(dir, tokenFile)}
	return tokensInFile{tokens}, "for a `fairlead up` with the state " + dir, nil
}

// parseTTL reads how long a token holds; 0 is for ever.
func parseTTL(s string) (time.Duration, error) {
	if s == "never" {
		return 0, nil
	}
	ttl, err := config.ParseDuration(s)
	switch {
	case err != nil:
		return 0, usagef("--ttl %q: %v; or never", s, err)
	case ttl < time.Minute || ttl > maxTTL:
		return 0, usagef("--ttl %s: at least a minute and at most %dd, or never", s, maxTTL/(24*time.Hour))
	}
	return ttl, nil
}
