// Command trusting-server is SPIRE's own spire-server, of the same module versions
// as its release, that takes one more certificate for AWS's: its built-in attestor
// can then be measured with nodes that a test made.
//
// TRUSTED_CERTIFICATE names a PEM file, and TRUSTED_REGION the region that it is of.
// Without them it is spire-server.
package main

import (
	"fmt"
	"os"

	"github.com/spiffe/spire/cmd/spire-server/cli"
	"github.com/spiffe/spire/pkg/common/entrypoint"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa2048"
)

func main() {
	if file := os.Getenv("TRUSTED_CERTIFICATE"); file != "" {
		certificate, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "trusting-server:", err)
			os.Exit(1)
		}
		awsrsa2048.CACerts[os.Getenv("TRUSTED_REGION")] = string(certificate)
	}
	os.Exit(entrypoint.NewEntryPoint(new(cli.CLI).Run).Main())
}
