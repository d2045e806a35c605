package stream

import "testing"

func TestSyslog(t *testing.T) {
	testFormats(t, []formatTest{
		{"RFC 5424", `<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ` + "\ufeff'su root' failed for lonvick on /dev/pts/8",
			`{"time":"2003-10-11T22:14:15.003Z","level":"ERROR","message":"'su root' failed for lonvick on /dev/pts/8","fields":{"facility":"auth","host":"mymachine.example.com","app":"su","msgid":"ID47"}}`},
		{"RFC 5424, data", `<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [a@32473 iut="3" x="\]\""][b c="1"] x y`,
			`{"time":"2003-08-24T05:14:15.000003-07:00","level":"INFO","message":"x y","fields":{"facility":"local4","host":"192.0.2.1","app":"myproc","pid":"8710","sd":"[a@32473 iut=\"3\" x=\"\\]\\\"\"][b c=\"1\"]"}}`},
		{"RFC 5424, nothing", `<0>1 - - - - - -`, `{"level":"ERROR","message":"","fields":{"facility":"kern"}}`},
		{"RFC 5424, data not closed", `<14>1 - h a - - [x y="z`, `{"level":"INFO","message":"1 - h a - - [x y=\"z","fields":{"facility":"user"}}`},
		{"RFC 3164", `<34>Oct 11 22:14:15 mymachine su: 'su root' failed`,
			`{"time":"2026-10-11T22:14:15Z","level":"ERROR","message":"'su root' failed","fields":{"facility":"auth","host":"mymachine","app":"su"}}`},
		{"RFC 3164 in a file", `Nov 19 22:14:15 host sshd[123]: error: no`,
			`{"time":"2026-11-19T22:14:15Z","level":"ERROR","message":"error: no","fields":{"host":"host","app":"sshd","pid":"123"}}`},
		{"last year", `Dec  1 22:14:15 host kernel: [    0.000000] Linux`,
			`{"time":"2025-12-01T22:14:15Z","message":"[    0.000000] Linux","fields":{"host":"host","app":"kernel"}}`},
		{"no tag", `Nov 19 22:14:15 host last message repeated 2 times`, `{"time":"2026-11-19T22:14:15Z","message":"Nov 19 22:14:15 host last message repeated 2 times"}`},
		{"no host", `Nov 19 22:14:15 app[1]: x`, `{"time":"2026-11-19T22:14:15Z","message":"x","fields":{"app":"app","pid":"1"}}`},
		{"rsyslog", `2024-01-01T12:00:00.123456+01:00 host systemd[1]: Started x.`,
			`{"time":"2024-01-01T12:00:00.123456+01:00","message":"Started x.","fields":{"host":"host","app":"systemd","pid":"1"}}`},
		{"rsyslog, kernel", `2024-01-01T12:00:00.123456+01:00 host kernel: x`,
			`{"time":"2024-01-01T12:00:00.123456+01:00","message":"x","fields":{"host":"host","app":"kernel"}}`},
		{"not rsyslog", `2024-01-01T12:00:00Z INFO main: x`, `{"time":"2024-01-01T12:00:00Z","level":"INFO","message":"2024-01-01T12:00:00Z INFO main: x"}`},
		{"nor this", `2024-01-01T12:00:00.123456+01:00 WARN main[1]: x`,
			`{"time":"2024-01-01T12:00:00.123456+01:00","level":"WARN","message":"2024-01-01T12:00:00.123456+01:00 WARN main[1]: x"}`},
		{"systemd", `<7>only a priority`, `{"level":"DEBUG","message":"only a priority","fields":{"facility":"kern"}}`},
		{"priority too large", `<192>x`, `{"message":"\u003c192\u003ex"}`},
		{"priority no number", `<a>x`, `{"message":"\u003ca\u003ex"}`},
		{"priority with zero", `<01>x`, `{"message":"\u003c01\u003ex"}`},
		{"priority empty", `<>x`, `{"message":"\u003c\u003ex"}`},
		{"priority alone", `<13>`, `{"message":"\u003c13\u003e"}`},
		{"priority not closed", `<13`, `{"message":"\u003c13"}`},
		{"priority huge", `<99999999999999999999>x`, `{"message":"\u003c99999999999999999999\u003ex"}`},
	})
}

func FuzzSyslog(f *testing.F) {
	for _, s := range []string{`<34>1 2003-10-11T22:14:15.003Z h su - ID47 [a b="\]"] x`, `<34>Oct 11 22:14:15 h su[1]: x`, `<999>x`,
		`2024-01-01T12:00:00.123456+01:00 h kernel: x`, `Nov 19 22:14:15 h a[]: x`, `<1>1 - - - - - [`, `<1>1 - - - - - [\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(fuzzFormat)
}
