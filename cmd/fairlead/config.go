package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
)

func newConfig(c *common) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config show|check",
		Short: "show or check the configuration, and where it comes from",
		Example: `  fairlead config show --origin
  fairlead config show > fairlead.toml    a file to begin with
  fairlead config check fairlead.toml`,
		Long: `A flag wins over the environment, the environment over the file, the file over
the default. The file is the one of --config or $FAIRLEAD_CONFIG, or the first
there is of $CONFIGURATION_DIRECTORY/fairlead.toml,
$XDG_CONFIG_HOME/fairlead/fairlead.toml (or in ~/.config) and
/etc/fairlead/fairlead.toml; /dev/null means none.

The variable of a key is FAIRLEAD_SECTION_KEY; with _FILE appended it names a
file that holds the value. A list in a variable has blanks between its items, or
one item per line; in a file that a variable names it is always one per line.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no command `fairlead config %s`: it is show or check", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{newConfigShow(c), newConfigCheck(c)} {
		sub.DisableFlagsInUseLine = true
		sub.Flags().SortFlags = false
		cmd.AddCommand(sub)
	}
	return cmd
}

func newConfigShow(c *common) *cobra.Command {
	var output, file string
	var origin bool
	cmd := &cobra.Command{
		Use:   "show [--origin] [-o json] [--config FILE]",
		Short: "all settings, as a file that sets them",
		Example: `  fairlead config show --origin
  fairlead config show -o json |
    jq '.sections[].keys[] | select(.origin != "default")'`,
		Long: `What is printed is a configuration file that says the same, and what each key
is for. A section that stands nowhere is commented out (# without a blank), and
so are secrets.`,
		Args: wants(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			asJSON, err := wantsJSON(output)
			if err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return err
			}
			_, loaded, err := loadConfig(file, nil)
			if err != nil {
				return err
			}
			out := stdout(false)
			if asJSON {
				err = printJSON(out, shownConfig(loaded))
			} else {
				printConfig(out, loaded, origin)
			}
			if err == nil {
				err = out.Close()
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&origin, "origin", false, "say behind each value where it comes from")
	outputFlag(cmd.Flags(), &output)
	cmd.Flags().StringVar(&file, "config", "", "the `FILE` to load, instead of where it is looked for")
	return cmd
}

func newConfigCheck(c *common) *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "say whether the configuration can be used",
		Example: `  fairlead config check
  fairlead config check ./fairlead.toml && systemctl reload fairlead`,
		Long: `Nothing is opened but the file, and the files that variables name. The
environment is checked too.

Exit codes: 0 it is well, 2 it is not.`,
		Args: wants(0, 1, ""),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := c.check(); err != nil {
				return err
			}
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			_, loaded, err := loadConfig(file, nil)
			if err != nil {
				return err
			}
			out := stdout(false)
			fmt.Fprintln(out, well(loaded))
			return out.Close()
		},
	}
}

// loadConfig returns the settings that hold, given the file that is named, if any,
// and the flags.
func loadConfig(file string, flags map[string][]string) (*settings, *config.Loaded, error) {
	path, err := config.Find(file, os.Environ())
	if err != nil {
		return nil, nil, err
	}
	return settingsOf(config.Sources{File: path, Environ: os.Environ(), Flags: flags})
}

func settingsOf(from config.Sources) (*settings, *config.Loaded, error) {
	s := defaultSettings()
	loaded, err := config.Load(s, from)
	if err == nil {
		err = s.check(loaded)
	}
	return s, loaded, err
}

// well is the one line about a configuration that can be used.
func well(l *config.Loaded) string {
	variables := 0
	for _, v := range l.Values() {
		if v.Origin.Kind == config.Environment {
			variables++
		}
	}
	path, keys, sections := l.File()
	text := "there is no configuration file: the defaults hold"
	if path != "" {
		text = fmt.Sprintf("%s is well: %s in %s", path, count(int64(keys), "key"), count(int64(sections), "section"))
	}
	if variables > 0 {
		text += fmt.Sprintf(", and %s from the environment", count(int64(variables), "key"))
	}
	return text
}

// printConfig prints a file, with what each key is for or where it comes from.
// What has a # and no blank is a setting. Sections that are nowhere are comments: to stand in
// a file, even with its defaults, may be what makes a section's room run.
func printConfig(w io.Writer, l *config.Loaded, origin bool) {
	values := l.Values()
	lines, widest := make([]string, len(values)), 0
	for i, v := range values {
		lines[i] = configLine(l, v)
		if n := utf8.RuneCountInString(lines[i]); n <= 60 {
			widest = max(widest, n)
		}
	}
	section := ""
	for i, v := range values {
		if v.Section != section {
			if section != "" {
				fmt.Fprintln(w)
			}
			section = v.Section
			fmt.Fprintf(w, "%s[%s]\n", commented(l.Present(section)), section)
		}
		if origin {
			lines[i] = fmt.Sprintf("%-*s  # %s", widest, lines[i], oneLine(v.Origin.Text))
		} else {
			fmt.Fprintln(w, comment(v.Help))
		}
		fmt.Fprintln(w, lines[i])
	}
}

func commented(said bool) string {
	if said {
		return ""
	}
	return "#"
}

// comment makes of words as many lines of a file as they take.
func comment(words string) string {
	var b strings.Builder
	b.WriteByte('#')
	at := 1
	for _, word := range strings.Fields(words) {
		n := 1 + utf8.RuneCountInString(word)
		if at > 1 && at+n > helpWidth {
			b.WriteString("\n#")
			at = 1
		}
		b.WriteString(" " + word)
		at += n
	}
	return b.String()
}

func configLine(l *config.Loaded, v config.Value) string {
	switch {
	case v.Secret && v.Text == "":
		return "# " + v.Last + " is not set"
	case v.Secret:
		return "# " + v.Last + " = " + v.Text
	case !v.Exact:
		return "# " + v.Last + " = " + v.Text + " in bytes that no file can say: they are not UTF-8"
	}
	return commented(l.Present(v.Section)) + v.Last + " = " + v.Text
}

// oneLine keeps a path in the comment that it stands in.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// A configView is what `config show -o json` prints, documented as stable.
type configView struct {
	File     string              `json:"file"` // empty: there is none
	Sections []configSectionView `json:"sections"`
}

type configSectionView struct {
	Name    string          `json:"name"`
	Present bool            `json:"present"` // it stands in the file, or a key of it was set
	Keys    []configKeyView `json:"keys"`
}

type configKeyView struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`  // a duration is text; of a secret "(secret)", or empty
	Origin string `json:"origin"` // default, file, environment or flag
	Where  string `json:"where"`
	Env    string `json:"env"`
	Flag   string `json:"flag,omitempty"`
}

func shownConfig(l *config.Loaded) configView {
	path, _, _ := l.File()
	view := configView{File: path}
	for _, v := range l.Values() {
		if n := len(view.Sections); n == 0 || view.Sections[n-1].Name != v.Section {
			view.Sections = append(view.Sections, configSectionView{Name: v.Section, Present: l.Present(v.Section)})
		}
		s := &view.Sections[len(view.Sections)-1]
		s.Keys = append(s.Keys, configKeyView{v.Last, v.JSON, v.Origin.Kind.String(), v.Origin.Text, v.Env, v.Flag})
	}
	return view
}
