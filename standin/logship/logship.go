package logship

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/standin"
)

// Usage is the help, and what follows the text of an error.
const Usage = `Usage: logship [--port PORT] [--timeout S] rx [--bindhost HOST]
               [--socket-queue-length N] [--storage-path DIR]
               [--host-in-filename BOOL]
       logship [--port PORT] [--timeout S] tx --host HOST --glob GLOB
               [--rescan-interval S]

Beginnings of flags will do, and those before rx and tx may stand behind them.
  --port PORT               to listen at, or to connect to (default: 7447)
  --timeout S               tx: to connect, for the answer, and for each write
                            (default: 60)

rx, receives logs from other hosts:
  --bindhost HOST           (default: localhost)
  --socket-queue-length N   (default: 5)
  --storage-path DIR        (default: /var/tmp/logship)
  --host-in-filename BOOL   put the sender's address before names; any word is
                            true, only '' is false (default: true)

tx, transmits logs to another host or hosts:
  --host HOST               receiver; may be repeated
  --glob GLOB               of *, ? and [...], quoted; may be repeated
  --rescan-interval S       for new files where there are no events (default: 1)
`

// Options is what one command line means.
type Options struct {
	Help    bool // only the help is asked for, nothing else counts
	Receive bool // rx, else tx
	Port    uint16
	Timeout time.Duration

	BindHost string
	Queue    int
	Storage  string
	Bare     bool // names are not prefixed

	Hosts  []string
	Globs  []string
	Rescan time.Duration

	Warnings []string // what is not as it may look
}

// The flags, by where they belong.
var (
	ofBoth = []string{"--port", "--timeout"}
	ofRx   = []string{"--bindhost", "--socket-queue-length", "--storage-path", "--host-in-filename"}
	ofTx   = []string{"--host", "--glob", "--rescan-interval"}
)

// Parse reads the arguments after the program's name.
func Parse(args []string) (Options, error) {
	o := Options{Port: 7447, Timeout: time.Minute, BindHost: "localhost", Queue: 5, Storage: "/var/tmp/logship", Rescan: time.Second}
	mode, flags := "", ofBoth
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-h", len(arg) > 3 && strings.HasPrefix("--help", arg):
			return Options{Help: true}, nil
		case !strings.HasPrefix(arg, "-") && mode == "":
			switch mode = arg; mode {
			case "rx":
				o.Receive, flags = true, slices.Concat(ofBoth, ofRx)
			case "tx":
				flags = slices.Concat(ofBoth, ofTx)
			default:
				return Options{}, fmt.Errorf("%q is neither rx nor tx", arg)
			}
			continue
		case !strings.HasPrefix(arg, "--"):
			return Options{}, fmt.Errorf("%q is one word too many", arg)
		}
		word, value, given := strings.Cut(arg, "=")
		flag, err := find(word, flags)
		if err != nil {
			return Options{}, err
		}
		if !given {
			if i++; i == len(args) {
				return Options{}, fmt.Errorf("%s wants a word behind it", flag)
			}
			value = args[i]
		}
		if err := o.set(flag, value); err != nil {
			return Options{}, err
		}
	}
	return o, o.check(mode)
}

// find returns the flag that a word is, or is the beginning of.
func find(word string, flags []string) (string, error) {
	var may []string
	for _, f := range flags {
		if f == word {
			return f, nil
		}
		if strings.HasPrefix(f, word) && len(word) > 2 {
			may = append(may, f)
		}
	}
	switch len(may) {
	case 1:
		return may[0], nil
	case 0:
		return "", fmt.Errorf("there is no flag %s here", word)
	}
	return "", fmt.Errorf("%s could be %s", word, strings.Join(may, " or "))
}

func (o *Options) set(flag, value string) (err error) {
	number := func(least, most int) int {
		n, wrong := strconv.Atoi(value)
		if wrong != nil || n < least || n > most {
			err = fmt.Errorf("%s %q: want a number from %d to %d", flag, value, least, most)
		}
		return n
	}
	const aDay = 24 * 60 * 60
	switch flag {
	case "--port":
		o.Port = uint16(number(0, 65535))
	case "--timeout":
		o.Timeout = time.Duration(number(1, aDay)) * time.Second
	case "--bindhost":
		o.BindHost = value
	case "--socket-queue-length":
		o.Queue = number(0, 65535)
	case "--storage-path":
		o.Storage = value
	case "--host-in-filename":
		o.Bare = value == ""
		if v, wrong := strconv.ParseBool(value); wrong == nil && !v {
			o.Warnings = append(o.Warnings, fmt.Sprintf("--host-in-filename %s is true, as any word is; '' is false", value))
		}
	case "--host":
		o.Hosts = append(o.Hosts, value)
	case "--glob":
		o.Globs = append(o.Globs, value)
	case "--rescan-interval":
		o.Rescan = time.Duration(number(1, aDay)) * time.Second
	}
	return err
}

func (o *Options) check(mode string) error {
	switch {
	case mode == "":
		return errors.New("rx or tx is missing")
	case o.Receive && o.Storage == "":
		return errors.New("--storage-path is empty")
	case o.Receive:
		return nil
	case len(o.Hosts) == 0 || slices.Contains(o.Hosts, ""):
		return errors.New("--host is missing")
	case len(o.Globs) == 0 || slices.Contains(o.Globs, ""):
		return errors.New("--glob is missing")
	}
	return nil
}

// Addr is HOST:PORT.
func (o Options) Addr(host string) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(int(o.Port)))
}

// Targets are the globs in Fairlead's words, where ** and {a,b} mean more than they did.
func (o Options) Targets() (targets []string) {
	for _, glob := range o.Globs {
		for strings.Contains(glob, "**") {
			glob = strings.ReplaceAll(glob, "**", "*")
		}
		if strings.ContainsAny(glob, "*?[{") { // else it is a name as it stands
			glob = strings.NewReplacer("{", `\{`, "}", `\}`, `\`, `\\`).Replace(glob)
		}
		targets = append(targets, glob)
	}
	return targets
}

// Native returns the same in Fairlead's own words.
func (o Options) Native() string {
	if o.Receive {
		return fmt.Sprintf("fairlead receive --plain --listen %s --store %s", standin.Quote(o.Addr(o.BindHost)), standin.Quote(o.Storage))
	}
	var b strings.Builder
	b.WriteString("fairlead ship --plain")
	for _, t := range o.Targets() {
		b.WriteString(" " + standin.Quote(t))
	}
	for _, h := range o.Hosts {
		b.WriteString(" --to " + standin.Quote(o.Addr(h)))
	}
	return b.String()
}
