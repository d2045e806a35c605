package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"fairlead/internal/config"
)

// keyFlags registers a flag for every key that has one. What given returns, once
// the flags are parsed, is what was said, by the name of the key: config.Load
// takes it.
func keyFlags(f *pflag.FlagSet, settings any) (given func() map[string][]string) {
	return flagsOf(f, config.Keys(settings))
}

// roomFlags is keyFlags for a command that is one room: every key of its section is
// a flag that is called as the key is, and so are those of self.
func roomFlags(f *pflag.FlagSet, settings any, section string) (given func() map[string][]string) {
	keys := config.Keys(settings)
	for i := range keys {
		k := &keys[i]
		in, name, _ := strings.Cut(k.Name, ".")
		if k.Flag = ""; in == section || in == "self" {
			k.Flag = strings.ReplaceAll(name, "_", "-")
		}
	}
	return flagsOf(f, keys)
}

func flagsOf(f *pflag.FlagSet, keys []config.Key) (given func() map[string][]string) {
	var flags []*keyFlag
	for _, k := range keys {
		if k.Flag == "" {
			continue
		}
		flag := &keyFlag{key: k}
		flags = append(flags, flag)
		f.VarP(flag, k.Flag, k.Short, k.Help)
		if k.Bool {
			f.Lookup(k.Flag).NoOptDefVal = "true"
		}
	}
	return func() map[string][]string {
		said := make(map[string][]string)
		for _, flag := range flags {
			if len(flag.given) > 0 {
				said[flag.key.Name] = flag.given
			}
		}
		return said
	}
}

// A keyFlag is the flag of a key, as pflag wants it.
type keyFlag struct {
	key   config.Key
	given []string
}

// Set refuses at once what the key cannot be. A list grows by one; of anything
// else the last word counts.
func (f *keyFlag) Set(s string) error {
	if err := f.key.Check(s); err != nil {
		return err
	}
	if !f.key.List {
		f.given = f.given[:0]
	}
	f.given = append(f.given, s)
	return nil
}

// Type is what help calls the value.
func (f *keyFlag) Type() string {
	switch {
	case f.key.Bool:
		return "bool"
	case f.key.Arg != "":
		return f.key.Arg
	}
	return "VALUE"
}

// String is the default in help, or what was given.
func (f *keyFlag) String() string {
	text := f.key.Default
	if len(f.given) > 0 {
		text = strings.Join(f.given, " ")
	}
	switch {
	case text == "" || text == "0s":
		return ""
	case f.key.List:
		return "[" + text + "]"
	case f.key.Text:
		return strconv.Quote(text)
	}
	return text
}
