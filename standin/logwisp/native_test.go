package logwisp_test

import (
	"testing"

	"fairlead/standin/logwisp"
)

func TestNative(t *testing.T) {
	tls := plain()
	tls.HTTP.TLSCert, tls.HTTP.TLSKey = "/c d", "/k"
	both := plain()
	both.TCP, both.Targets = tcp(), []logwisp.Target{{Path: "/var/log/syslog", File: true}, {Path: "/it's", Pattern: "[a]?"}}
	only := both
	only.HTTP = logwisp.Server{}
	mixed := tls
	mixed.TCP = tcp()
	for _, c := range []struct {
		o    logwisp.Options
		want string
	}{
		{plain(), "fairlead up --http 0.0.0.0:8080 --plain '/srv/app/*.log'"},
		{both, `fairlead up --http 0.0.0.0:8080 --tcp :9090 --plain /var/log/syslog '/it'\''s/\[a\]?'`},
		{only, `fairlead up --http off --tcp :9090 --plain /var/log/syslog '/it'\''s/\[a\]?'`},
		{tls, "fairlead up --http 0.0.0.0:8080 --tls-cert '/c d' --tls-key /k '/srv/app/*.log'"},
		{mixed, "fairlead up --http 0.0.0.0:8080 --tcp :9090 --plain --tls-cert '/c d' --tls-key /k '/srv/app/*.log'"},
	} {
		if got := c.o.Native(); got != c.want {
			t.Errorf("Native() = %s, want %s", got, c.want)
		}
	}
}
