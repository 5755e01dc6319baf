package bench

import (
	"context"
	"errors"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// InServer does a storm through a whole SPIRE server, over TLS, with a connection
// for each of those who attest at once. The server stores each node in SQLite, and
// signs its SVID. CPU and PluginCPU are of the server and its plugin.
func (j Job) InServer(ctx context.Context, binaries spire.Binaries, env []string, ready func()) (Figures, error) {
	payloads, err := j.payloads()
	if err != nil {
		return Figures{}, err
	}
	block, err := j.block()
	if err != nil {
		return Figures{}, err
	}
	server, err := spire.StartServer(ctx, binaries, spire.ServerConfig{NodeAttestors: block, Env: env})
	if err != nil {
		return Figures{}, err
	}
	defer server.Stop()
	clients := make(chan *spire.Client, j.AtOnce)
	for range j.AtOnce {
		client, err := server.NewClient()
		if err != nil {
			return Figures{}, err
		}
		defer client.Close()
		clients <- client
	}
	if ready != nil {
		ready()
	}
	wave := storm{atOnce: j.AtOnce, retry: j.Retry}
	return measure(server.PID(), func() (tally, int, error) {
		sum, err := wave.run(ctx, payloads, func(ctx context.Context, _ int, payload []byte) error {
			client := <-clients
			defer func() { clients <- client }()
			_, err := client.Attest(ctx, j.Plugin, payload)
			return err
		})
		return sum, 0, err
	})
}

// block is that of the server's configuration.
func (j Job) block() (string, error) {
	switch {
	case j.Plugin == "aws_iid" && j.Program == "":
		return "", errNotInServer
	case j.Plugin == "aws_iid":
		return stage.Plugin(j.Program, j.PluginData)
	case j.Program == "":
		return stage.AzureBuiltIn(j.PluginData), nil
	}
	return stage.AzurePlugin(j.Program, j.PluginData)
}

var errNotInServer = errors.New("bench: the built-in aws_iid trusts AWS's own certificates only, unless it is in this process")
