// Command refresh-certificates writes the certificates of AWS that Gatehouse
// embeds anew, from the ones that SPIRE's module carries: SPIRE reads them from
// AWS's documentation every night. To take up newer ones, raise the version of
// github.com/spiffe/spire in e2e/go.mod and run, in e2e/,
//
//	go run ./cmd/refresh-certificates
//
// Regions that SPIRE no longer has are removed. Look at the difference before it
// is committed: these files are what Gatehouse trusts.
package main

import (
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa1024"
	"github.com/spiffe/spire/pkg/server/plugin/nodeattestor/awsiid/awsrsa2048"
)

// source is where AWS publishes the certificates.
const source = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html"

func main() {
	log.SetFlags(0)
	into := flag.String("into", "../evidence/awsiid/certificates", "the directory to write below")
	flag.Parse()
	for kind, certificates := range map[string]map[string]string{
		"rsa1024": awsrsa1024.CACerts,
		"rsa2048": awsrsa2048.CACerts,
	} {
		if err := write(filepath.Join(*into, kind), kind, certificates); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d regions\n", kind, len(certificates))
	}
}

// write replaces all files of one kind.
func write(dir, kind string, certificates map[string]string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for region, text := range certificates {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return fmt.Errorf("%s %s: not PEM", kind, region)
		}
		file := fmt.Sprintf("%s, %s, from %s\n%s", region, kind, source, pem.EncodeToMemory(block))
		if err := os.WriteFile(filepath.Join(dir, region+".pem"), []byte(file), 0o644); err != nil {
			return err
		}
	}
	return nil
}
