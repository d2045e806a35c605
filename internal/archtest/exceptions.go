package archtest

// exceptions names, by rule, the places that may break it, each with its
// reason: a file, or FILE#FUNCTION, or FILE#TYPE.METHOD.
var exceptions = map[string]map[string]string{
	"bytes are not looked into: json": {
		"serve/list.go": "answers GET /logs, a list of logs: no byte of a log passes through it",
	},
	"a context is never in a struct": {
		"page/browser_test.go": "to chromedp a context is the handle of a browser or of a tab, and lasts as long",
	},
}
