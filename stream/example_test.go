package stream_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"fairlead/logfile"
	"fairlead/stream"
)

// The lines of a directory of logs, as Server-Sent Events.
func Example() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	os.WriteFile(filepath.Join(dir, "app.log"), []byte(`{"level":"info","msg":"started"}`+"\n"), 0o644)

	entries, err := stream.Open(stream.Options{}) // with a Dir they outlive the process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer entries.Close()
	files := &logfile.Set{}
	files.Adopt(entries.Marks()...)
	if err := files.Add(dir); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { files.Run(ctx) })
	wg.Go(func() { entries.Run(ctx, stream.FromSet(files)) })
	web := httptest.NewServer(&stream.SSE{Stream: entries})
	defer web.Close()

	resp, err := http.Get(web.URL + "?tail=10")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	said := regexp.MustCompile(`"level":"info","message":"started"`)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if found := said.FindString(lines.Text()); found != "" {
			fmt.Println(found)
			break
		}
	}
	// Output: "level":"info","message":"started"
}
