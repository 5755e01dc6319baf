package recording

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// Programs are those that record.
type Programs struct {
	SPIRE     spire.Binaries
	Gatehouse string
}

// server is a SPIRE server with both plugins.
type server struct {
	*spire.Server
	aws       *awsCloud
	awsConfig string // file
}

// patience is how long anything may take.
const patience = 4 * time.Minute

// start starts a server in a directory, below which its plugins write their logs.
func start(ctx context.Context, programs Programs, dir string, aws *awsCloud, azure *azureCloud) (*server, error) {
	s := &server{aws: aws, awsConfig: filepath.Join(dir, "aws_iid.hcl")}
	if err := s.writeConfig(false); err != nil {
		return nil, err
	}
	awsBlock, err := stage.PluginWithFile(programs.Gatehouse, s.awsConfig)
	if err != nil {
		return nil, err
	}
	azureBlock, err := stage.AzurePlugin(programs.Gatehouse, azure.pluginData())
	if err != nil {
		return nil, err
	}
	env, err := azure.env(ctx)
	if err != nil {
		return nil, err
	}
	s.Server, err = spire.StartServer(ctx, programs.SPIRE, spire.ServerConfig{
		NodeAttestors: awsBlock + azureBlock, Env: slices.Concat(env, aws.Env()), WorkDir: dir,
	})
	return s, err
}

func (s *server) writeConfig(changed bool) error {
	if err := os.WriteFile(s.awsConfig, []byte(s.aws.pluginData(changed)), 0o600); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// change configures aws_iid anew.
func (s *server) change(ctx context.Context) error {
	if err := s.writeConfig(true); err != nil {
		return err
	}
	before := s.Log.Len()
	if err := s.Signal(syscall.SIGUSR1); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := s.Log.Wait(ctx, before, func(e process.Entry) bool {
		return e.Message == "Plugin reconfigured" && e.Field("plugin_name") == "aws_iid"
	})
	return err
}

// end stops the server once all is written.
func (s *server) end() error {
	s.Stop()
	for _, e := range s.Log.Entries(0) {
		if e.Message == "Decision log lost events" {
			return errors.New("recording: decisions were lost, as they can't be written as fast as they are made")
		}
	}
	return nil
}

// logs is the directory of the logs, below that of the server.
const logs = "logs"

// common is what both plugins are configured with. A machine that has much else to do
// must not have clouds seem slow.
func common(plugin string) string {
	return fmt.Sprintf(`            cloud_timeout = "2m"
            decision_log {
                file {
                    path = %q
                    max_size_mb = 8
                    max_files = 0
                    compress = true
                }
            }
`, logs+"/"+plugin+".jsonl")
}
