package logwisp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Usage is the help, and what follows the text of a UsageError.
const Usage = `Usage: logwisp [OPTIONS] [TARGET...]

Options, also after targets; -x V, --x V and --x=V are the same:
  --config FILE            Config file path
  --check-interval MS      File check interval (default: 100)

  --enable-tcp             Enable TCP server
  --tcp-port PORT          TCP port (default: 9090)
  --tcp-buffer-size SIZE   Accepted; there is no buffer to fill

  --enable-http            Enable HTTP server (default: true);
                           --enable-http=false turns it off
  --http-port PORT         HTTP port (default: 8080); also --port
  --http-buffer-size SIZE  Accepted; also --buffer-size

  --help, -h               This help
  --                       What follows are targets

Target: path[:pattern[:isfile]]
  path                     A file, or the *.log files of a directory; of what
                           does not exist yet: a file, unless it ends in /
  path:pattern             The files of a directory whose names match the
                           pattern of * and ?
  path::true               A file, whatever there is now
`

// A UsageError is a command line that cannot be read: the caller prints it, then
// Usage, and exits with 2.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// A line is a command line taken apart.
type line struct {
	help    bool
	flags   map[string]string // by name; numbers are decimal
	targets []string
}

// parseLine reads flags as Go's own do, but also behind targets.
func parseLine(args []string, keys []key) (line, error) {
	l := line{flags: make(map[string]string)}
	kinds := map[string]string{"config": "string", "help": "help", "h": "help"}
	for _, k := range keys {
		for _, flag := range k.flags {
			kinds[flag] = k.kind()
		}
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			l.targets = append(l.targets, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			l.targets = append(l.targets, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if name == "" || name[0] == '-' {
			return line{}, usagef("bad flag syntax: %s", arg)
		}
		switch kind := kinds[name]; {
		case kind == "help":
			return line{help: true}, nil
		case kind == "":
			return line{}, usagef("flag provided but not defined: -%s", name)
		case kind == "bool" && !given:
			if value = "true"; len(args) > 0 && (args[0] == "true" || args[0] == "false") {
				return line{}, usagef("the value of -%s goes behind =: -%s=%s", name, name, args[0])
			}
		case !given && len(args) == 0:
			return line{}, usagef("flag needs an argument: -%s", name)
		case !given:
			value, args = args[0], args[1:]
		}
		value, err := canonical(kinds[name], name, value)
		if err != nil {
			return line{}, err
		}
		l.flags[name] = value
	}
	return l, nil
}

// canonical returns a flag's value as a file or the environment would have it:
// Go's flags also take numbers such as 0x1F90.
func canonical(kind, name, value string) (string, error) {
	switch kind {
	case "bool":
		if _, err := strconv.ParseBool(value); err != nil {
			return "", usagef("invalid boolean value %q for -%s: parse error", value, name)
		}
	case "int":
		n, err := strconv.ParseInt(value, 0, strconv.IntSize)
		if errors.Is(err, strconv.ErrRange) {
			return "", usagef("invalid value %q for flag -%s: value out of range", value, name)
		}
		if err != nil {
			return "", usagef("invalid value %q for flag -%s: parse error", value, name)
		}
		value = strconv.FormatInt(n, 10)
	}
	return value, nil
}

// words returns what the flags say by key, and what of them counts as not given.
func (l line) words(keys []key) (said map[string]word, ignored []string) {
	said = make(map[string]word)
	for _, k := range keys {
		for _, flag := range k.flags {
			text, given := l.flags[flag]
			switch winner, twice := said[k.name]; {
			case !given:
			case k.kind() == "int" && (text == "0" || text[0] == '-'):
				ignored = append(ignored, fmt.Sprintf("--%s %s: a number at or below 0 counts as not given", flag, text))
			case twice:
				ignored = append(ignored, fmt.Sprintf("--%s: %s wins", flag, winner.from))
			default:
				said[k.name] = word{text, "--" + flag}
			}
		}
	}
	return said, ignored
}
