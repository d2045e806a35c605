package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/internal/config"
)

// maxExposure is what `systemd-analyze security` may say of the unit, in tenths
// of its points; 20 is the end of what it calls OK.
const maxExposure = 15

func deployed(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// settingOf returns the last value of a unit's key, or of a line's first word.
func settingOf(t *testing.T, text, key string) string {
	t.Helper()
	all := regexp.MustCompile(`(?m)^`+key+`[= ](.*)$`).FindAllStringSubmatch(text, -1)
	if all == nil {
		t.Fatalf("there is no %s", key)
	}
	return all[len(all)-1][1]
}

// What the files of deploy say of ports, names, times and codes is what the
// program knows.
func TestDeployAgrees(t *testing.T) {
	_, port, err := net.SplitHostPort(defaultHTTP)
	if err != nil {
		t.Fatal(err)
	}
	service, socket, docker := deployed(t, "fairlead.service"), deployed(t, "fairlead.socket"), deployed(t, "Dockerfile")
	for _, tt := range []struct{ text, key, want string }{
		{service, "RestartPreventExitStatus", strconv.Itoa(exitUsage)},
		{service, "RuntimeDirectory", filepath.Base(serviceSockets)},
		{socket, "ListenStream", defaultHTTP},
		{socket, "FileDescriptorName", roomHTTP},
		{docker, "EXPOSE", port},
	} {
		if got := settingOf(t, tt.text, tt.key); got != tt.want {
			t.Errorf("%s=%s, want %s", tt.key, got, tt.want)
		}
	}
	seconds, err := strconv.Atoi(settingOf(t, service, "TimeoutStopSec"))
	if stop := time.Duration(seconds) * time.Second; err != nil || stop < drainLimit+5*time.Second {
		t.Errorf("TimeoutStopSec=%d, %v: clients are served to their end for %s", seconds, err, drainLimit)
	}
	// trust asks the kernel by netlink; spool asks it for the id of the boot.
	if families := strings.Fields(settingOf(t, service, "RestrictAddressFamilies")); !slices.Contains(families, "AF_NETLINK") {
		t.Errorf("RestrictAddressFamilies=%s: without AF_NETLINK nobody is told from anybody", families)
	}
	for _, no := range []string{"PrivateUsers=yes", "ProcSubset=pid"} {
		if strings.Contains(service, "\n"+no) {
			t.Errorf("%s: the unit says itself why not", no)
		}
	}
}

// The example of a configuration says nothing as it is. Without the # it can be
// used, names every key there is, and says the defaults.
func TestDeployConfiguration(t *testing.T) {
	text := deployed(t, "fairlead.toml")
	_, loaded := settingsIn(t, text)
	if _, keys, sections := loaded.File(); keys+sections != 0 {
		t.Errorf("fairlead.toml as it is has %d keys in %d sections, want none", keys, sections)
	}
	s, loaded := settingsIn(t, regexp.MustCompile(`(?m)^#(\[|[a-z_]+ = )`).ReplaceAllString(text, "$1"))
	for _, v := range loaded.Values() {
		if v.Origin.Kind != config.File {
			t.Errorf("fairlead.toml does not name %s", v.Name)
		}
	}
	want := defaultSettings()
	want.Watch.Targets = []string{defaultTarget}
	for _, list := range []*[]string{&want.HTTP.Hosts, &want.Stream.Match, &want.Stream.Exclude, &want.Ship.To, &want.Ship.ToOneOf} {
		*list = []string{}
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("fairlead.toml without the # = %+v, want the defaults, %+v", s, want)
	}
}

// settingsIn loads the text of a file, as fairlead up would.
func settingsIn(t *testing.T, text string) (*settings, *config.Loaded) {
	t.Helper()
	s, loaded, err := settingsOf(config.Sources{File: writeText(t, filepath.Join(t.TempDir(), "fairlead.toml"), text)})
	if err != nil {
		t.Fatal(err)
	}
	return s, loaded
}

// systemd reads the units without a word, and finds little that the service
// could do to the machine.
func TestDeployUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here to look at the units")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service := strings.ReplaceAll(deployed(t, "fairlead.service"), "/usr/local/bin/fairlead", self)
	if version := systemdVersion(t, analyze); version < 253 {
		t.Logf("systemd %d: with the lines for those before 253", version)
		for _, change := range [][2]string{{"\nType=notify-reload\n", "\n#Type=notify-reload\n"}, {"\n#Type=notify\n", "\nType=notify\n"},
			{"\n#ExecReload=", "\nExecReload="}} {
			if strings.Count(service, change[0]) != 1 {
				t.Errorf("the unit has not one line %q", change[0])
			}
			service = strings.Replace(service, change[0], change[1], 1)
		}
	}
	dir := t.TempDir()
	unit := writeText(t, filepath.Join(dir, "fairlead.service"), service)
	socket := writeText(t, filepath.Join(dir, "fairlead.socket"), deployed(t, "fairlead.socket"))
	if out, err := analyzed(t, analyze, "verify", "--man=no", unit, socket); err != nil || strings.Contains(out, dir) || strings.Contains(out, "fairlead") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := analyzed(t, analyze, "security", "--no-pager", "--offline=true", "--threshold="+strconv.Itoa(maxExposure), unit)
	if err != nil {
		if strings.Contains(out, "unrecognized option") {
			t.Skipf("systemd-analyze cannot judge a file: %s", out)
		}
		t.Errorf("systemd-analyze security, at most %d: %v\n%s", maxExposure, err, out)
	}
	t.Log(lastLine(out))
}

func systemdVersion(t *testing.T, analyze string) int {
	t.Helper()
	out, err := analyzed(t, analyze, "--version")
	m := regexp.MustCompile(`^systemd (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze --version: %q, %v", out, err)
	}
	version, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func analyzed(t *testing.T, analyze string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, analyze, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func writeText(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
