// Package testplugindata finds the configurations in attestor/plugindata/testdata,
// which several packages read.
package testplugindata

import (
	"path/filepath"
	"testing"
)

// Each runs a test for each folder that has a server.conf and what SPIRE makes of
// it. The path leads from the test's package to attestor/plugindata.
func Each(t *testing.T, plugindata string, test func(t *testing.T, folder string)) {
	t.Helper()
	confs, err := filepath.Glob(filepath.Join(plugindata, "testdata", "spire", "*", "server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if len(confs) < 20 {
		t.Fatalf("found %d server.conf files, which can't be all", len(confs))
	}
	for _, conf := range confs {
		folder := filepath.Dir(conf)
		t.Run(filepath.Base(folder), func(t *testing.T) { test(t, folder) })
	}
}
