package main

import (
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of the short help, in its order.
const (
	groupBegin = "begin"
	groupLook  = "look"
	groupMove  = "move"
	groupAct   = "act"
	groupSetUp = "set up"
	groupOld   = "old"
)

// newRoot builds the command tree.
func newRoot() *cobra.Command {
	cobra.EnableCommandSorting = false // help lists them as they are added here
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "any byte of a growing file, to whoever asks",
		Example: `  fairlead up                         this machine's logs, in the browser
  fairlead tail -F /var/log/syslog    by name, through rotations
  fairlead status                     what runs here, its problems first`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Version:           buildVersion().String(),
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var c common
	c.flags(root.PersistentFlags())
	for _, id := range []string{groupBegin, groupLook, groupMove, groupAct, groupSetUp, groupOld} {
		root.AddGroup(&cobra.Group{ID: id, Title: id})
	}
	add := func(group string, cmds ...*cobra.Command) {
		for _, cmd := range cmds {
			cmd.GroupID = group
			cmd.DisableFlagsInUseLine = true
			cmd.Flags().SortFlags = false
			root.AddCommand(cmd)
		}
	}
	add(groupBegin, newUp(&c), newInvite(&c), newJoin(&c), newDemo(&c))
	add(groupLook, newTail(&c), newStatus(&c), newWhy(&c))
	add(groupMove, newServe(&c), newShip(&c), newReceive(&c), newVerify(&c), newMirror(&c))
	add(groupSetUp, newToken(&c), newKeyCommand(&c), newConfig(&c), newCompletion(), newVersion())
	add(groupOld, newTailsrv(&c), newLogship(&c), newLogwisp(&c))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(cmd.OutOrStdout(), cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { return help(cmd.OutOrStderr(), cmd) })
	root.SetFlagErrorFunc(flagError)
	root.InitDefaultHelpCmd() // now, so that checkWord knows it
	return root
}

// common is what every command knows.
type common struct {
	quiet   bool
	verbose bool
	color   string
}

func (c *common) flags(f *pflag.FlagSet) {
	f.BoolVarP(&c.quiet, "quiet", "q", false, "say only what went wrong")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "say every step")
	f.StringVar(&c.color, "color", "auto", "`WHEN` to colour: auto, always, never")
}

var reUnknownFlag = regexp.MustCompile(`^unknown (?:shorthand )?flag: (?:'(.)' in )?-*([^ ]*)`)

// flagError adds to pflag's words the flag that may be meant.
func flagError(cmd *cobra.Command, err error) error {
	m := reUnknownFlag.FindStringSubmatch(err.Error())
	switch {
	case m == nil:
		return usagef("%v", err)
	case m[1] >= "0" && m[1] <= "9" && cmd.Flags().Lookup("lines") != nil:
		return usagef("there is no flag -%s: for a number of lines it is -n %[1]s", m[2])
	case m[1] != "":
		return usagef("there is no flag -%s", m[1])
	}
	// cobra measures how near words are for its commands only, so the flags
	// become commands for a moment.
	var words cobra.Command
	words.SuggestionsMinimumDistance = 2
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		words.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := words.SuggestionsFor(m[2]); len(near) > 0 {
		return usagef("there is no flag --%s: did you mean --%s?", m[2], near[0])
	}
	return usagef("there is no flag --%s", m[2])
}

// wants is the check of arguments: as many as a command needs, or what is
// missing by its name.
func wants(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s is missing", what)
		case most >= 0 && len(args) > most:
			return usagef("%q is one word too many", args[most])
		}
		return nil
	}
}
