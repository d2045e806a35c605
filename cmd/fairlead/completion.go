package main

import (
	"github.com/spf13/cobra"
)

func newCompletion() *cobra.Command {
	shells := []string{"bash", "fish", "powershell", "zsh"}
	return &cobra.Command{
		Use:   "completion bash|fish|powershell|zsh",
		Short: "the completion script of a shell, on stdout",
		Example: `  source <(fairlead completion bash)      this session
  fairlead completion bash > /etc/bash_completion.d/fairlead
  fairlead completion zsh > "${fpath[1]}/_fairlead"
  fairlead completion fish > ~/.config/fish/completions/fairlead.fish`,
		ValidArgs: shells,
		Args:      wants(1, 1, "the shell, one of bash, fish, powershell, zsh,"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, w := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(w, true)
			case "fish":
				return root.GenFishCompletion(w, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w)
			case "zsh":
				return root.GenZshCompletion(w)
			}
			return usagef("there is no completion for %q: it is one of bash, fish, powershell, zsh", args[0])
		},
	}
}
