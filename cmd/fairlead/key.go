package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/trust"
)

// What is kept in the state directory of whom this machine is and knows.
const (
	keyFile         = "key"
	trustedFile     = "trusted"
	invitationsFile = "invitations"
)

// identity is this machine among others, as its state has it.
type identity struct{ state string }

// openIdentity finds the state; flag is --state.
func (c *common) openIdentity(flag string) (identity, error) {
	dir, err := lastingState(flag, "a key", c.logger())
	return identity{dir}, err
}

func (i identity) keyPath() string          { return filepath.Join(i.state, keyFile) }
func (i identity) key() (*trust.Key, error) { return trust.OpenKey(i.keyPath()) }
func (i identity) trusted() *trust.Trusted {
	return &trust.Trusted{Path: filepath.Join(i.state, trustedFile)}
}
func (i identity) invitations() *trust.Invitations {
	return &trust.Invitations{Path: filepath.Join(i.state, invitationsFile), Trusted: i.trusted()}
}

// identityFlag is --state for the commands about machines.
func identityFlag(f *pflag.FlagSet, state *string) {
	f.StringVar(state, "state", "", "the key, and the machines that are trusted, are in `DIR`")
}

func newKeyCommand(c *common) *cobra.Command {
	k := &keyCommand{common: c}
	cmd := &cobra.Command{
		Use:   "key [-o json] | list | add | remove",
		Short: "this machine's key, and the machines that are trusted",
		Example: `  fairlead key                                what others know this machine by
  fairlead key list
  fairlead key add web1 UDXU4RCS... --role send
  fairlead key remove web1`,
		Long: `Every machine has one key, made at first use: the file "key" of the state
directory, which is copied to no other machine. What is shown is its public
half, which is no secret, and the file.

The machines that this one trusts are lines of the file "trusted" beside it,
much like authorized_keys: NAME KEY ROLES [ADDR...]. It may be edited; running
processes see a change within a second. As a rule ` + "`fairlead invite` and `join`" + `
write both ends. For a service give its state, as --state /var/lib/fairlead.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no %q for keys: it is list, add or remove", args[0])
			}
			return k.show()
		},
	}
	k.outputFlags(cmd.Flags())
	cmd.AddGroup(&cobra.Group{ID: groupSetUp, Title: "commands"})
	for _, sub := range []*cobra.Command{k.listCommand(), k.addCommand(), k.removeCommand()} {
		sub.GroupID = groupSetUp
		sub.DisableFlagsInUseLine = true
		sub.Flags().SortFlags = false
		cmd.AddCommand(sub)
	}
	return cmd
}

// keyCommand is the flags of all that is about keys.
type keyCommand struct {
	*common
	state  string
	output string
	roles  []string
	addrs  []string
}

func (k *keyCommand) outputFlags(f *pflag.FlagSet) {
	outputFlag(f, &k.output)
	identityFlag(f, &k.state)
}

func (k *keyCommand) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [-o json]",
		Short: "the machines that are trusted",
		Example: `  fairlead key list
  fairlead key list -o json | jq '.[] | select(.roles | index("send"))'`,
		Long: `Name, key, roles and addresses, in the order of the file. A line there that
cannot be understood gives nobody anything, and is told on stderr.`,
		Args: wants(0, 0, ""),
		RunE: func(*cobra.Command, []string) error { return k.list() },
	}
	k.outputFlags(cmd.Flags())
	return cmd
}

func (k *keyCommand) addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME KEY --role ROLE[,ROLE]",
		Short: "trust a machine",
		Example: `  fairlead key add web1 UDXU4RCS... --role send         web1 may ship to us
  fairlead key add store UAAQEAYE... --role receive --addr store:7447`,
		Long: `KEY is what ` + "`fairlead key`" + ` prints on that machine. Roles: send, it may ship to
this machine; receive, this machine may ship to it, at --addr. Of a machine that
is trusted already, roles are added to those it has, and addresses replaced.

Exit codes: 0 ok, 1 the name or the key is another machine's, 2 usage.`,
		Args: wants(2, 2, "the name, or the key,"),
		RunE: func(_ *cobra.Command, args []string) error { return k.add(args[0], args[1]) },
	}
	rolesFlag(cmd.Flags(), &k.roles, nil)
	cmd.Flags().StringSliceVar(&k.addrs, "addr", nil, "`HOST:PORT` where it listens; several with commas")
	identityFlag(cmd.Flags(), &k.state)
	return cmd
}

func (k *keyCommand) removeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove NAME|KEY",
		Short:   "trust a machine no more, now",
		Example: `  fairlead key remove web1`,
		Long: `Its line is taken out of the file. It cannot connect any more, connections that
it has end within 5 s, and the invitation that it came by does not let it in
again. What it has shipped stays.

Exit codes: 0 ok, 3 there is no such machine.`,
		Args: wants(1, 1, "the name or the key of the machine"),
		RunE: func(_ *cobra.Command, args []string) error { return k.remove(args[0]) },
	}
	identityFlag(cmd.Flags(), &k.state)
	return cmd
}

// rolesFlag is --role.
func rolesFlag(f *pflag.FlagSet, roles *[]string, standard []string) {
	f.StringSliceVar(roles, "role", standard, "`ROLE`: send, it may ship to us; receive, we ship to it; or both, with a comma")
}

func checkRoles(roles []string) error {
	if len(roles) == 0 {
		return usagef("--role is missing: it is send, receive, or both with a comma")
	}
	for _, r := range roles {
		if r != trust.RoleSend && r != trust.RoleReceive {
			return usagef("there is no role %q: it is send, receive, or both with a comma", r)
		}
	}
	return nil
}

// keyReport is what `key -o json` prints. It is documented as stable.
type keyReport struct {
	Key  trust.PublicKey `json:"key"`
	File string          `json:"file"`
}

// machineReport is what `key list -o json` prints of each machine. It is documented
// as stable.
type machineReport struct {
	Name  string          `json:"name"`
	Key   trust.PublicKey `json:"key"`
	Roles []string        `json:"roles"`
	Addrs []string        `json:"addrs"`
}

func (k *keyCommand) show() error {
	asJSON, err := wantsJSON(k.output)
	if err = errors.Join(err, k.check()); err != nil {
		return err
	}
	own, err := k.openIdentity(k.state)
	if err != nil {
		return err
	}
	key, err := own.key()
	if err != nil {
		return err
	}
	out := stdout(false)
	if asJSON {
		err = printJSON(out, keyReport{key.Public(), own.keyPath()})
	} else {
		fmt.Fprintf(out, "%s  %s\n", key.Public(), own.keyPath())
	}
	return errors.Join(err, out.Close())
}

func (k *keyCommand) list() error {
	asJSON, err := wantsJSON(k.output)
	if err = errors.Join(err, k.check()); err != nil {
		return err
	}
	own, err := k.openIdentity(k.state)
	if err != nil {
		return err
	}
	trusted := own.trusted()
	machines, bad, err := trusted.List()
	if err != nil {
		return err
	}
	for _, b := range bad {
		fmt.Fprintf(os.Stderr, "fairlead: line %d of %s gives nobody anything: %s\n", b.Line, printable(trusted.Path), printable(b.Reason))
	}
	out := stdout(false)
	if asJSON {
		reports := []machineReport{}
		for _, m := range machines {
			reports = append(reports, machineReport{m.Name, m.Key, m.Roles, append([]string{}, m.Addrs...)})
		}
		err = printJSON(out, reports)
	} else {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, m := range machines {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.Name, strings.Join(m.Roles, ","), m.Key, strings.Join(m.Addrs, " "))
		}
		table.Flush()
		if len(machines) == 0 && !k.quiet {
			fmt.Fprintln(os.Stderr, "no machine is trusted; `fairlead invite` lets one join")
		}
	}
	return errors.Join(err, out.Close())
}

func (k *keyCommand) add(name, text string) error {
	if err := errors.Join(k.check(), trust.CheckMachineName(name), trust.CheckAddrs(k.addrs)); err != nil {
		return usagef("%v", err)
	}
	if err := checkRoles(k.roles); err != nil {
		return err
	}
	key, err := trust.ParsePublicKey(text)
	if err != nil {
		return usagef("%v", err)
	}
	own, err := k.openIdentity(k.state)
	if err != nil {
		return err
	}
	if err := own.trusted().Add(trust.Machine{Name: name, Key: key, Roles: slices.Compact(slices.Sorted(slices.Values(k.roles))), Addrs: k.addrs}); err != nil {
		if errors.Is(err, trust.ErrNameTaken) {
			return exitf(exitFailed, "%w: choose another, or `fairlead key remove %s` first", err, name)
		}
		return err
	}
	if !k.quiet {
		fmt.Fprintf(os.Stderr, "%s is trusted\n", name)
	}
	return nil
}

func (k *keyCommand) remove(who string) error {
	if err := k.check(); err != nil {
		return err
	}
	own, err := k.openIdentity(k.state)
	if err != nil {
		return err
	}
	gone, err := own.trusted().Remove(who)
	if errors.Is(err, trust.ErrNotTrusted) {
		return exitf(exitNotFound, "no machine %q is trusted: `fairlead key list` has those that are", who)
	}
	if err != nil || k.quiet {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s (%s) is trusted no more: its connections end within 5 s\n", gone.Name, gone.Key)
	invitations := own.invitations()
	if n, err := invitations.Open(); n > 0 || err != nil {
		fmt.Fprintf(os.Stderr, "invitations are open for %s: whoever has their join token can come with a new key; to end them all delete %s\n",
			count(int64(n), "machine"), printable(invitations.Path))
	}
	return nil
}
