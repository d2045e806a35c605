package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version [-o json]",
		Short: "which build this is, and of which modules",
		Example: `  fairlead version
  fairlead version -o json    with every module that is linked in`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(output)
			if err != nil {
				return err
			}
			v := buildVersion()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "fairlead", v)
			return err
		},
	}
	outputFlag(cmd.Flags(), &output)
	return cmd
}

// version says which build this is. Its JSON is documented as stable.
type version struct {
	Version  string   `json:"version"`
	Revision string   `json:"revision,omitempty"` // git's
	Time     string   `json:"time,omitempty"`     // of the revision
	Modified bool     `json:"modified,omitempty"` // the tree was not clean
	Go       string   `json:"go"`
	System   string   `json:"system"`
	Modules  []module `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
}

func buildVersion() version {
	v := version{Version: "(devel)", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		v.Modules = append(v.Modules, module{m.Path, m.Version})
	}
	return v
}

func (v version) String() string {
	s := v.Version
	if v.Revision != "" {
		s += " revision " + v.Revision[:min(12, len(v.Revision))]
		if v.Modified {
			s += " with changes"
		}
	}
	return s + " (" + v.Go + ", " + v.System + ")"
}

// printJSON writes one indented document, as every listing's -o json is.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
