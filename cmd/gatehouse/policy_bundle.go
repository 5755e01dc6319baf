package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/internal/authoring"
)

// policyBundle is the command policy bundle.
type policyBundle struct {
	policyFlags
	answer
	output, revision                           string
	signingKey, signingAlg, keyID, claimsFiles string
}

func newPolicyBundle() *cobra.Command {
	var b policyBundle
	cmd := &cobra.Command{
		Use:   "bundle [DIR]",
		Short: "Build a bundle, and sign it",
		Long: `Build an OPA bundle of a directory that passes gatehouse policy check, and sign it.
Its policies, tests and data are in it; the baseline is not, as the plugin has it.

Flags for signing are those of opa build.` +
			exitCodes("done", "the policy would be refused: there is no bundle", "a file can't be read or written, or the key doesn't fit"),
		Example: `  gatehouse policy bundle --output policy.tar.gz --revision "$(git rev-parse HEAD)"
  gatehouse policy bundle --signing-key key.pem --signing-alg ES256 --verification-key-id policy-2026`,
		Args: cobra.MaximumNArgs(1),
		RunE: b.run,
	}
	b.addBaseline(cmd)
	b.addPlugin(cmd, "plugin to check it for; for several, repeat it (default: those in whose packages it has rules)")
	b.answer.flag(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&b.output, "output", "o", "bundle.tar.gz", "file to write")
	flags.StringVarP(&b.revision, "revision", "r", "", "revision of the policy (default: the digest of its files)")
	flags.StringVar(&b.signingKey, "signing-key", "", "file with the private key in PEM; for HS256 and the like, with the secret")
	flags.StringVar(&b.signingAlg, "signing-alg", "RS256", "algorithm to sign with")
	flags.StringVar(&b.keyID, "verification-key-id", "default", "ID of the key, by which the one that verifies is found")
	flags.StringVar(&b.claimsFiles, "claims-file", "", "JSON file with more claims for the signature, such as scope")
	return cmd
}

// bundleAnswer is the answer of policy bundle.
type bundleAnswer struct {
	File     string   `json:"file"`
	Revision string   `json:"revision"`
	Roots    []string `json:"roots"`
	KeyID    string   `json:"key_id,omitempty"`
}

func (b *policyBundle) run(cmd *cobra.Command, args []string) error {
	if err := b.check(); err != nil {
		return err
	}
	dir := b.directory(args)
	plugins, err := b.chosen(dir)
	if err != nil {
		return err
	}
	signing, err := b.signing(cmd)
	if err != nil {
		return err
	}
	found, err := checkPolicy(cmd.Context(), dir, plugins)
	if err != nil {
		return err
	}
	if !found.OK {
		if err := b.give(cmd, found, found.text); err != nil {
			return err
		}
		return errNo
	}
	files, err := dir.Files()
	if err != nil {
		return err
	}
	text, manifest, err := authoring.Bundle{Files: files, Revision: b.revision, Signing: signing, KeyID: b.keyID}.Build()
	if err != nil {
		return err
	}
	if err := authoring.ReplaceFile(b.output, text, 0o644); err != nil {
		return err
	}
	done := bundleAnswer{File: b.output, Revision: manifest.Revision, Roots: *manifest.Roots}
	if signing != nil {
		done.KeyID = b.keyID
	}
	return b.give(cmd, done, func(p *page) {
		p.printf("%s: revision %s\n", shown(done.File), shown(done.Revision))
		p.printf("  roots: %s\n", shown(strings.Join(done.Roots, ", ")))
		if signing == nil {
			p.printf("  %s\n", p.warn("not signed"))
		} else {
			p.printf("  signed: key %s, %s\n", shown(done.KeyID), shown(signing.Algorithm))
		}
	})
}

// signing is how to sign, or nil for not at all. OPA would take a key file that
// isn't there for the key itself.
func (b *policyBundle) signing(cmd *cobra.Command) (*bundle.SigningConfig, error) {
	if b.signingKey == "" {
		for _, name := range []string{"signing-alg", "verification-key-id", "claims-file"} {
			if cmd.Flags().Changed(name) {
				return nil, usageErrorf("--%s needs --signing-key", name)
			}
		}
		return nil, nil
	}
	if _, err := os.ReadFile(b.signingKey); err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return bundle.NewSigningConfig(b.signingKey, b.signingAlg, b.claimsFiles), nil
}
