package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

const (
	account    = "123456789012"
	region     = "eu-central-1"
	instanceID = "i-0b22a22eec53b9321"
)

// programs is where programs are built: below the checkout's cache, as go build
// doesn't link again what is up to date.
func programs() (string, error) {
	cache, err := repo.Cache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "e2e")
	return dir, os.MkdirAll(dir, 0o755)
}

// gatehouse builds the plugin, once.
var gatehouse = sync.OnceValues(func() (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	return repo.BuildGatehouse(context.Background(), dir)
})

// scene is an AWS and a real SPIRE server that runs Gatehouse against it.
type scene struct {
	*stage.AWS
	running
}

func binaries(t *testing.T) spire.Binaries {
	t.Helper()
	found, err := spire.FindBinaries(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// newAWS makes an AWS that lives as long as the test.
func newAWS(t *testing.T) *stage.AWS {
	t.Helper()
	cloud, err := stage.NewAWS(t.Context(), t.TempDir(), account, region)
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

// serverConfig is of a server with Gatehouse and this plugin_data.
func serverConfig(t *testing.T, cloud *stage.AWS, pluginData string) spire.ServerConfig {
	t.Helper()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	block, err := stage.Plugin(binary, pluginData)
	if err != nil {
		t.Fatal(err)
	}
	return spire.ServerConfig{NodeAttestors: block, Env: cloud.Env()}
}

// start starts a server with the plugin_data of the AWS and more.
func start(t *testing.T, more ...string) scene {
	t.Helper()
	cloud := newAWS(t)
	data := strings.Join(append([]string{cloud.PluginData()}, more...), "\n")
	server := startServer(t, serverConfig(t, cloud, data))
	return scene{cloud, running{server}}
}

// boot boots a node with this instance ID.
func (s scene) boot(t *testing.T, id string) stage.Node {
	t.Helper()
	node, err := s.Boot(t.Context(), s.Document(id))
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// agent starts a real agent on the node.
func (s scene) agent(t *testing.T, node stage.Node) *spire.AgentProcess {
	t.Helper()
	agent, err := s.server.StartAgent(t.Context(), spire.AgentConfig{NodeAttestor: spire.AWSIID(node.MetadataURL), Env: s.AgentEnv()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Stop)
	return agent
}

// realVector is a payload whose document AWS signed, and the instance in it.
func realVector(t *testing.T) []byte {
	t.Helper()
	payload, err := os.ReadFile("../testdata/evidence/aws-iid-us-west-2-rsa2048.json")
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

const (
	realAccount  = "278576220453"
	realRegion   = "us-west-2"
	realInstance = "i-078517ca8a70a1dde"
)

// bootReal makes the stand-in know the instance of the real vector, in an
// account for which the server has other credentials.
func (s scene) bootReal(t *testing.T, payload []byte) {
	t.Helper()
	var parts struct{ Document string }
	if err := json.Unmarshal(payload, &parts); err != nil {
		t.Fatal(err)
	}
	document := s.Document(realInstance)
	if err := json.Unmarshal([]byte(parts.Document), &document); err != nil {
		t.Fatal(err)
	}
	instance, err := stage.Instance(document)
	if err != nil {
		t.Fatal(err)
	}
	s.World.AddUser(realAccount, realKeyID, stage.SecretAccessKey)
	s.World.PutInstance(realAccount, realRegion, instance)
}

// realKeyID belongs to the account of the real vector.
const realKeyID = "AKIAREALVECTOR"

// startReal starts a server with credentials for the account of the real
// vector. It trusts AWS's own certificate in that region, and the test
// authority's in its own.
func startReal(t *testing.T) scene {
	t.Helper()
	cloud := newAWS(t)
	data := strings.Replace(cloud.PluginData(), stage.AccessKeyID, realKeyID, 1)
	server := startServer(t, serverConfig(t, cloud, data))
	s := scene{cloud, running{server}}
	s.bootReal(t, realVector(t))
	return s
}
