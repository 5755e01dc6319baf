package spire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

func TestFindBinariesOfTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server, agent := file("server", 0o700), file("agent", 0o700)
	text, missing := file("text", 0o600), filepath.Join(dir, "missing")
	for _, tc := range []struct{ name, server, agent, problem string }{
		{"both", server, agent, ""},
		{"server alone", server, "", "SPIRE_AGENT"},
		{"agent alone", "", agent, "SPIRE_SERVER"},
		{"server is missing", missing, agent, missing},
		{"agent is missing", server, missing, missing},
		{"server is no program", text, agent, text},
		{"agent is a directory", server, dir, dir},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("SPIRE_SERVER", tc.server)
			t.Setenv("SPIRE_AGENT", tc.agent)
			var progress strings.Builder
			found, err := spire.FindBinaries(t.Context(), &progress)
			switch {
			case progress.Len() > 0:
				t.Errorf("it says %q", &progress)
			case tc.problem == "" && (err != nil || found != spire.Binaries{Server: tc.server, Agent: tc.agent}):
				t.Errorf("got %+v, %v", found, err)
			case tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)):
				t.Errorf("got %+v, %v; want %s to be mentioned", found, err, tc.problem)
			}
		})
	}
}
