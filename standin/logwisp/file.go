package logwisp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	conf "fairlead/internal/config"
)

const (
	maxConfig  = 1 << 20
	targetsKey = "monitor.targets"
)

// configPath returns where the file is, and whether somebody named it.
func configPath(flag string, env Environment) (path string, named bool) {
	file, dir := env.Getenv("LOGWISP_CONFIG_FILE"), env.Getenv("LOGWISP_CONFIG_DIR")
	if flag != "" {
		file = flag
	}
	switch {
	case filepath.IsAbs(file):
		return file, true
	case file != "":
		return env.abs(filepath.Join(dir, file)), true
	case dir != "":
		return env.abs(filepath.Join(dir, "logwisp.toml")), false
	case env.Home != "":
		return env.abs(filepath.Join(env.Home, ".config", "logwisp.toml")), false
	}
	return env.abs("logwisp.toml"), false
}

// A config is what a configuration file says.
type config struct {
	path    string // "" if there is none
	said    map[string]word
	targets []givenTarget
	listed  bool // it has a list of targets, which may be empty
	unknown []string
}

// readConfig reads the file there is. That there is none is well, unless it was named.
func readConfig(flag string, env Environment, keys []key) (config, error) {
	c := config{said: make(map[string]word)}
	path, named := configPath(flag, env)
	text, err := readFile(path, env)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return c, nil
	case err != nil:
		return config{}, fmt.Errorf("failed to load config: failed to read config file '%s': %w", path, err)
	}
	table := make(map[string]any)
	if err := unmarshal(text, &table); err != nil {
		return config{}, fmt.Errorf("failed to load config: failed to parse TOML config file '%s': %w", path, err)
	}
	c.path = path
	err = c.walk("", table, keys)
	return c, err
}

func readFile(path string, env Environment) ([]byte, error) {
	f, err := env.Open(path)
	var text []byte
	if err == nil {
		defer f.Close()
		text, err = io.ReadAll(io.LimitReader(f, maxConfig+1))
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err // the path is said once
	}
	if err == nil && len(text) > maxConfig {
		err = errors.New("it is larger than 1 MiB")
	}
	return text, err
}

// unmarshal says where the error is, as the older tool's library did.
func unmarshal(text []byte, table *map[string]any) error {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return errors.New("toml: line 1 (column 1): UTF-16, where UTF-8 is wanted")
	}
	err := toml.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), table)
	if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
		row, column := at.Position()
		return fmt.Errorf("toml: line %d (column %d): %s", row, column, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return err
}

// walk notes what a table says about keys, and which of its names are none.
func (c *config) walk(prefix string, table map[string]any, keys []key) error {
	for _, last := range slices.Sorted(maps.Keys(table)) {
		name, value := prefix+last, table[last]
		sub, isTable := value.(map[string]any)
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
		text, plain := scalar(value)
		var err error
		switch {
		case name == targetsKey:
			err = c.readTargets(value)
		case i >= 0 && plain:
			c.said[name] = word{text, c.path}
		case i >= 0:
			err = wrongType(c.path, name, keys[i].kind(), fmt.Errorf("it is a %s", shape(value)))
		case !slices.ContainsFunc(keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") }):
			c.unknown = append(c.unknown, fmt.Sprintf("%s (%s): unknown%s", printable(name), c.path, near(prefix, last, keys)))
		case isTable:
			err = c.walk(name+".", sub, keys)
		default:
			err = wrongType(c.path, name, "table", fmt.Errorf("it is a %s", shape(value)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readTargets reads [[monitor.targets]]; a single [monitor.targets] is a list of one.
func (c *config) readTargets(value any) error {
	list, ok := value.([]any)
	if one, isTable := value.(map[string]any); isTable {
		list, ok = []any{one}, true
	}
	if !ok {
		return wrongType(c.path, targetsKey, "list", fmt.Errorf("it is a %s", shape(value)))
	}
	c.listed = true
	for i, item := range list {
		name := fmt.Sprintf("%s[%d]", targetsKey, i)
		table, ok := item.(map[string]any)
		if !ok {
			return wrongType(c.path, name, "table", fmt.Errorf("it is a %s", shape(item)))
		}
		var t givenTarget
		keys := []key{
			{name + ".path", nil, &t.Path},
			{name + ".pattern", nil, &t.Pattern},
			{name + ".is_file", nil, &t.File},
		}
		if err := c.walk(name+".", table, keys); err != nil {
			return err
		}
		if err := apply(c.said, keys); err != nil {
			return err
		}
		c.targets = append(c.targets, t)
	}
	return nil
}

// scalar returns the text of a value that is neither a table nor a list, so that
// a file may also write port = "8080".
func scalar(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case []any, map[string]any:
		return "", false
	}
	return fmt.Sprint(value), true
}

func shape(value any) string {
	switch value.(type) {
	case map[string]any:
		return "table"
	case []any:
		return "list"
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64, float64:
		return "number"
	}
	return "time"
}

// printable returns a name as it is, or quoted if a terminal could take harm.
func printable(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

// near asks whether the last part of an unknown name was meant to be another's.
func near(prefix, last string, keys []key) string {
	var names []string
	for _, k := range append([]key{{name: targetsKey}}, keys...) {
		if rest, ok := strings.CutPrefix(k.name, prefix); ok {
			other, _, _ := strings.Cut(rest, ".")
			names = append(names, other)
		}
	}
	if best := conf.Near(last, names); best != "" {
		return "; did you mean " + prefix + best + "?"
	}
	return ""
}
