package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// fileSuffix makes the variable of a file that holds the value.
const fileSuffix = "_FILE"

// environ takes the variables of the keys, and refuses those that are of a section
// but of no key.
func (l *loading) environ(environ []string) {
	vars := make(map[string]string)
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		if _, twice := vars[name]; !twice && strings.HasPrefix(name, envPrefix) {
			vars[name] = value
		}
	}
	for _, k := range l.keys {
		value, given := vars[k.Env]
		path, fromFile := vars[k.Env+fileSuffix]
		delete(vars, k.Env)
		delete(vars, k.Env+fileSuffix)
		switch {
		case given && fromFile:
			l.errorAt(k.Env, "%s%s is set too: unset one of them", k.Env, fileSuffix)
		case given:
			l.word(k, said{texts: k.split(value), origin: Origin{Environment, k.Env}, where: k.where(k.Env+"=", value)})
		case fromFile:
			l.variableFile(k, path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		l.unknownVariable(name, vars[name])
	}
}

// where is how an error about a word begins, without the word of a secret.
func (k Key) where(name, value string) string {
	if k.Secret {
		return strings.TrimRight(name, "= ")
	}
	return name + shown(value)
}

// split makes items of the value of a variable.
func (k Key) split(value string) []string {
	switch {
	case k.kind != list:
		return []string{value}
	case strings.Contains(value, "\n"):
		return lines(value)
	}
	return strings.Fields(value)
}

// lines returns the lines of a text that are not empty.
func lines(text string) []string {
	items := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			items = append(items, line)
		}
	}
	return items
}

func (l *loading) variableFile(k Key, path string) {
	name := k.Env + fileSuffix
	where := name + "=" + shown(path)
	if path == "" {
		l.errorAt(where, "want the path of a file that holds the value of %s", k.Name)
		return
	}
	b, err := readFile(path, maxValue)
	if err != nil {
		l.errorAt(where, "%v", err)
		return
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	texts := []string{value}
	if k.kind == list {
		texts = lines(value)
	}
	l.word(k, said{texts: texts, origin: Origin{Environment, name + " (" + path + ")"}, where: where})
}

// unknownVariable refuses a variable, if it can only be meant for us.
func (l *loading) unknownVariable(name, value string) {
	section := ""
	for _, s := range sections(l.keys) {
		if strings.HasPrefix(name, envPrefix+strings.ToUpper(s)+"_") && len(s) > len(section) {
			section = s
		}
	}
	rest := strings.TrimPrefix(name, envPrefix+strings.ToUpper(section)+"_")
	if section == "" || ofKubernetes(rest, value) {
		return
	}
	last, suffix := strings.ToLower(rest), ""
	if cut, ok := strings.CutSuffix(rest, fileSuffix); ok {
		last, suffix = strings.ToLower(cut), fileSuffix
	}
	if best := Near(last, lasts(l.keys, section)); best != "" {
		l.errorAt(name, "there is no such variable: did you mean %s%s_%s%s?", envPrefix,
			strings.ToUpper(section), strings.ToUpper(best), suffix)
		return
	}
	l.errorAt(name, "there is no key %q in [%s]%s", shown(last), section, meantKey(l.keys, section, last))
}

var serviceVariable = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// ofKubernetes says that a variable is one that Kubernetes sets in every pod for a
// service that is called, say, fairlead-http.
func ofKubernetes(rest, value string) bool {
	return serviceVariable.MatchString(rest) || rest == "PORT" && strings.Contains(value, "://")
}
