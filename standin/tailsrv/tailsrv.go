package tailsrv

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fairlead/standin"
)

// Options is what one command line means.
type Options struct {
	Path     string
	Port     uint16 // on every IPv4 address
	Linger   bool   // go on after the file was moved or deleted
	Journald bool   // log to the journal
	Help     bool   // only the help is asked for, nothing else is set
}

// Parse reads the arguments after the program's name. Flags may come before or
// behind the path; after -- there are none.
func Parse(args []string) (Options, error) {
	var o Options
	var ports, paths []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			paths = append(paths, args[i+1:]...)
			i = len(args)
		case arg == "--help", arg == "-h":
			return Options{Help: true}, nil
		case arg == "--linger-after-file-is-gone":
			o.Linger = true
		case arg == "--journald":
			o.Journald = true
		case arg == "-p", arg == "--port":
			if i++; i == len(args) {
				return Options{}, fmt.Errorf("%s wants a port behind it", arg)
			}
			ports = append(ports, args[i])
		case strings.HasPrefix(arg, "--port="):
			ports = append(ports, strings.TrimPrefix(arg, "--port="))
		case strings.HasPrefix(arg, "-p"):
			ports = append(ports, strings.TrimPrefix(arg[2:], "="))
		case strings.HasPrefix(arg, "-") && arg != "-":
			return Options{}, fmt.Errorf("there is no flag %s", arg)
		default:
			paths = append(paths, arg)
		}
	}
	if err := o.set(ports, paths); err != nil {
		return Options{}, err
	}
	return o, nil
}

// set takes the one port and the one path that there must be.
func (o *Options) set(ports, paths []string) error {
	switch {
	case len(ports) == 0:
		return errors.New("the port is missing: -p PORT")
	case len(ports) > 1:
		return fmt.Errorf("two ports, %s and %s: one process listens on one", ports[0], ports[1])
	case len(paths) == 0 || paths[0] == "":
		return errors.New("the path of the file to serve is missing")
	case len(paths) > 1:
		return fmt.Errorf("two paths, %s and %s: one process serves one file", paths[0], paths[1])
	}
	port, err := strconv.ParseUint(strings.TrimPrefix(ports[0], "+"), 10, 16)
	if err != nil {
		return fmt.Errorf("port %q: want a number from 0 to 65535", ports[0])
	}
	o.Port, o.Path = uint16(port), paths[0]
	return nil
}

// Native returns the same in Fairlead's own words.
func (o Options) Native() string {
	atEnd := "exit"
	if o.Linger {
		atEnd = "linger"
	}
	return fmt.Sprintf("fairlead serve --listen 0.0.0.0:%d --plain --share-local --http off --at-end %s %s",
		o.Port, atEnd, quote(o.Path))
}

// quote makes one word of s for a shell, which is no flag.
func quote(s string) string {
	if strings.HasPrefix(s, "-") {
		return "-- " + standin.Quote(s)
	}
	return standin.Quote(s)
}
