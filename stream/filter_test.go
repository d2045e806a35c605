package stream_test

import (
	"strings"
	"testing"

	"fairlead/stream"
)

// A regex looks at the message and at the fields, each by itself.
func TestFilterOfFields(t *testing.T) {
	w := newWorld(t, stream.Options{}).start()
	w.write("a.log", strings.Join([]string{
		`{"msg":"one","user":"anna","url":"/a?b=1&c=<d>"}`, `{"msg":"two","user":"bert","n":{"deep":"anna"}}`,
		`anna without fields`, `{"msg":"end","x":"start","esc":"a\\u003cb"}`,
	}, "\n")+"\n")
	w.until("all is encoded", func() bool { return len(w.connect("tail=10", "").entries(4)) == 4 })
	c := w.connect("tail=100", "")
	c.entries(4)
	id := c.last
	for query, want := range map[string]string{
		`regex=anna`:                      "one two anna without fields",
		`regex="user":"anna"`:             "one",
		`regex=^anna`:                     "anna without fields",
		`regex=^\{.*\}$`:                  "one two end",
		`regex=b=1%26c=<d>`:               "one",
		`q=B=1%26C=<D>`:                   "one",
		`regex=a<b`:                       "",
		`q=a<b`:                           "",
		`exclude=anna`:                    "end",
		`exclude="user":"anna"`:           "two anna without fields end",
		`exclude=^end$`:                   "one two anna without fields",
		`regex=(?s)end.*start`:            "", // not over both
		`q=end{`:                          "",
		`q=end&q=start`:                   "end",
		`regex=end&regex="x":"start"`:     "end",
		`regex=anna&exclude="user":"bert`: "one anna without fields",
	} {
		query = strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", "^", "%5E", `\`, "%5C", "{", "%7B", "}", "%7D", "$", "%24", "+", "%2B").Replace(query)
		got := []string{}
		for _, e := range w.before(id, 100, query) {
			got = append(got, decode(t, e.data).Message)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("?%s = %q, want %q", query, got, want)
		}
	}
}
