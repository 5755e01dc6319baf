package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// TestScripts runs the commands as a person would: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// Scripts run this very test binary as gatehouse.
			path, err := os.Executable()
			if err != nil {
				return err
			}
			program, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(program)
			env.Setenv("SHA256", hex.EncodeToString(sum[:]))
			return nil
		},
	})
}
