package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spiffe/spire-plugin-sdk/pluginmain"
	nodeattestorv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/nodeattestor/v1"
	configv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/service/common/config/v1"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/attestor/configcheck"
)

// addPlugins adds a command for each plugin, by the name that it has in SPIRE.
func addPlugins(root *cobra.Command) {
	for _, kind := range attestor.Kinds() {
		root.AddCommand(&cobra.Command{
			Use:   kind.Name(),
			Short: "Serve the " + kind.Name() + " node attestor (started by SPIRE)",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				plugin := attestor.New(kind)
				server := nodeattestorv1.NodeAttestorPluginServer(plugin)
				// SPIRE names the plugin type in the environment of what it starts.
				if os.Getenv(server.Type()) != server.Type() {
					return explain(cmd.OutOrStdout(), kind)
				}
				pluginmain.Serve(server, configv1.ConfigServiceServer(plugin))
				return nil
			},
		})
	}
}

// explain tells a person who started the plugin by hand how SPIRE does it.
func explain(w io.Writer, kind attestor.Kind) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own path: %w", err)
	}
	sum, err := configcheck.Checksum(path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `This is a plugin that SPIRE server starts by itself: it speaks gRPC with the
server and does nothing alone. To use it, put the block below into the server's
configuration, in place of the built-in %[1]q attestor. The block's
plugin_data stays as it is: agents keep their plugin, IDs and selectors.

    plugins {
        NodeAttestor %[1]q {
            plugin_cmd = %[2]q
            plugin_args = [%[1]q]
            plugin_checksum = %[3]q
            plugin_data {
            }
        }
    }
`, kind.Name(), path, sum)
	return err
}
