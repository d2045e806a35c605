package logwisp

import (
	"fmt"
	"strings"

	"fairlead/standin"
)

// Native returns the same in Fairlead's own words. LogWisp listened on every
// address: over HTTP of IPv4, over TCP of both.
func (o Options) Native() string {
	words := []string{"fairlead", "up", "--http", "off"}
	if o.HTTP.Enabled {
		words[3] = fmt.Sprintf("0.0.0.0:%d", o.HTTP.Port)
	}
	if o.TCP.Enabled {
		words = append(words, "--tcp", fmt.Sprintf(":%d", o.TCP.Port))
	}
	plain := false
	for _, s := range []Server{o.HTTP, o.TCP} {
		plain = plain || s.Enabled && s.TLSCert == ""
	}
	if plain {
		words = append(words, "--plain")
	}
	for _, s := range []Server{o.HTTP, o.TCP} {
		if s.TLSCert != "" {
			words = append(words, "--tls-cert", standin.Quote(s.TLSCert), "--tls-key", standin.Quote(s.TLSKey))
			break // one pair serves all
		}
	}
	for _, t := range o.Targets {
		words = append(words, standin.Quote(t.Spec()))
	}
	return strings.Join(words, " ")
}
