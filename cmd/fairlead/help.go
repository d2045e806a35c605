package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

const helpWidth = 80

// help prints the help of one command: examples first. It is written by hand,
// because cobra's templates would switch off the linker's dead code elimination
// and cost 3.6 MB.
func help(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", cmd.CommandPath(), cmd.Short)
	section(&b, "Examples", cmd.Example)
	if cmd.HasParent() {
		section(&b, "Usage", "  "+cmd.UseLine())
	}
	if cmd.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", cmd.Long)
	}
	for _, g := range cmd.Groups() {
		section(&b, title(g.Title), commandList(cmd, g.ID))
	}
	if cmd.HasParent() {
		section(&b, "Commands", commandList(cmd, ""))
	}
	switch {
	case cmd.DisableFlagParsing: // an older tool: Long has them
	case cmd.HasParent():
		section(&b, "Flags", cmd.LocalFlags().FlagUsagesWrapped(helpWidth))
		section(&b, "Flags of every command", cmd.InheritedFlags().FlagUsagesWrapped(helpWidth))
	default:
		section(&b, "Flags", cmd.LocalNonPersistentFlags().FlagUsagesWrapped(helpWidth))
		section(&b, "Flags of every command", cmd.PersistentFlags().FlagUsagesWrapped(helpWidth))
		b.WriteString("\n`fairlead COMMAND -h` shows the examples and flags of one of them.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func section(b *strings.Builder, name, text string) {
	if text = strings.TrimRight(text, " \n"); text != "" {
		fmt.Fprintf(b, "\n%s:\n%s\n", name, text)
	}
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func commandList(parent *cobra.Command, group string) string {
	var b strings.Builder
	for _, c := range parent.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(&b, "  %-11s %s\n", c.Name(), c.Short)
		}
	}
	return b.String()
}
