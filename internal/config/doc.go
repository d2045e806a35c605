// Package config fills a struct of settings from a file, the environment and
// flags, and knows for every key where its value comes from.
//
// It does not know which settings there are, it does not write any file, and it
// does not judge what a value means: whoever does gets an error that points to
// where the value was said (Loaded.Errorf).
//
// Settings are a struct of sections, each a struct of keys:
//
//	type Settings struct {
//		HTTP HTTP `config:"http"`
//	}
//	type HTTP struct {
//		Listen  string        `config:"listen" flag:"http" arg:"ADDR:PORT" help:"ADDR:PORT of HTTP"`
//		Token   string        `config:"token" secret:"true" help:"what others have to know"`
//		Wait    time.Duration `config:"wait" help:"how long a reader may take"`
//		Budget  config.Size   `config:"budget" help:"how much is kept"`
//		Targets []string      `config:"targets" help:"what is watched"`
//	}
//
// What the struct holds before is the default. Over it goes the file, over the
// file the environment, over the environment the flags. A list is replaced, never
// added to.
//
// The file is TOML of two levels: [section], and keys in it. The variable of a key
// is FAIRLEAD_SECTION_KEY; with _FILE appended it names a file that holds the
// value, and one newline at its end does not belong to it. A variable that is set
// to nothing is set. Of a section that is not known no variable is looked at.
//
//	text      "any"                      in a variable as it is
//	boolean   true, false                in variables and flags also 1, 0
//	number    8080
//	duration  "500ms", "1m30s", "7d"     always with units: ns us ms s m h d w
//	size      1048576, "64MiB", "10MB"   KB MB GB TB are decimal, KiB MiB GiB TiB binary
//	list      ["a", "b c"]               in a variable "a b", or one item per line;
//	                                     in the file that a variable names one per
//	                                     line; a flag is repeated
//
// A list in a variable is split at its newlines if it has one, else at blanks: an
// item with a blank in it goes on a line of its own, be it the only one. Not at
// colons, which are in addresses, nor at commas, which are in globs.
package config
