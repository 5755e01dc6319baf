package azure

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v9"

	"github.com/spire-gatehouse/gatehouse/e2e/standin"
	"github.com/spire-gatehouse/gatehouse/internal/sleep"
)

// Manager is Resource Manager. Azure's SDK has fake servers, which answer in the
// place of its transport: here they answer over HTTP, to any client.
type Manager struct {
	caller func(authorization string) string

	mu         sync.Mutex
	machines   map[string]armcompute.VirtualMachine // by lower-case ID
	instances  map[string]armcompute.VirtualMachineScaleSetVM
	interfaces map[string]armnetwork.Interface
	calls      []Call
	hidden     map[string]bool    // IDs that Resource Graph doesn't know yet
	windows    map[string]*window // of Resource Graph, by caller
	down       int
	bucket     standin.Bucket
	refused    int // by the bucket
	latency    time.Duration
	servers    map[string]transport // by the name of the SDK's client
}

// transport is what the SDK's fake servers have in common.
type transport interface {
	Do(*http.Request) (*http.Response, error)
}

// A Call is a request that was let in.
type Call struct {
	Operation string // of the SDK: client and method
	Path      string // in lower case
	Caller    string // "app ID" or "machine NAME"
}

func newManager(caller func(string) string) *Manager {
	m := &Manager{
		caller:     caller,
		machines:   map[string]armcompute.VirtualMachine{},
		instances:  map[string]armcompute.VirtualMachineScaleSetVM{},
		interfaces: map[string]armnetwork.Interface{},
		hidden:     map[string]bool{},
		windows:    map[string]*window{},
	}
	m.servers = m.fakes()
	return m
}

// Calls are those so far, sorted: some are made at the same time.
func (m *Manager) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := slices.Clone(m.calls)
	slices.SortFunc(calls, func(a, b Call) int {
		return cmp.Or(strings.Compare(a.Operation, b.Operation), strings.Compare(a.Path, b.Path), strings.Compare(a.Caller, b.Caller))
	})
	return calls
}

// Forget forgets the calls.
func (m *Manager) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// Break lets every call fail with a status; 0 ends that.
func (m *Manager) Break(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = status
}

// operations are the URLs of those calls that are answered. The SDK tells its fake
// servers in a context which of its methods was called, which is not in a request.
var operations = []struct {
	method string
	path   *regexp.Regexp
	name   string
}{
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.compute/virtualmachines/[^/]+`), "VirtualMachinesClient.Get"},
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.compute/virtualmachinescalesets/[^/]+/virtualmachines/[^/]+`), "VirtualMachineScaleSetVMsClient.Get"},
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.network/networkinterfaces/[^/]+`), "InterfacesClient.Get"},
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.compute/virtualmachinescalesets/[^/]+/virtualmachines/[^/]+/networkinterfaces/[^/]+`), "InterfacesClient.GetVirtualMachineScaleSetNetworkInterface"},
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.compute/virtualmachines`), "VirtualMachinesClient.NewListPager"},
	{http.MethodGet, path(`/resourcegroups/[^/]+/providers/microsoft\.network/networkinterfaces`), "InterfacesClient.NewListPager"},
	{http.MethodGet, path(`/resources`), "Client.NewListPager"},
	{http.MethodPost, regexp.MustCompile(`^/providers/microsoft\.resourcegraph/resources$`), "GraphClient.Resources"},
}

func path(rest string) *regexp.Regexp {
	return regexp.MustCompile(`^/subscriptions/[^/]+` + rest + `$`)
}

// ServeHTTP implements http.Handler.
func (m *Manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller := m.caller(r.Header.Get("Authorization"))
	lower := strings.ToLower(r.URL.Path)
	operation := ""
	for _, o := range operations {
		if o.method == r.Method && o.path.MatchString(lower) {
			operation = o.name
		}
	}
	m.mu.Lock()
	down, latency := m.down, m.latency
	admitted := caller == "" || m.admit(time.Now())
	if caller != "" && operation != "" && admitted {
		m.calls = append(m.calls, Call{Operation: operation, Path: lower, Caller: caller})
	}
	m.mu.Unlock()
	_ = sleep.For(r.Context(), latency)
	switch {
	case caller == "":
		refuseManager(w, http.StatusUnauthorized, "InvalidAuthenticationToken")
	case !admitted:
		w.Header().Set("Retry-After", "1")
		refuseManager(w, http.StatusTooManyRequests, "TooManyRequests")
	case down != 0:
		refuseManager(w, down, "Broken")
	case operation == "GraphClient.Resources" && !m.quota(w, caller):
		refuseManager(w, http.StatusTooManyRequests, "RateLimiting")
	case operation == "":
		refuseManager(w, http.StatusNotFound, "InvalidResourceType")
	case r.URL.Query().Get("api-version") == "":
		refuseManager(w, http.StatusBadRequest, "MissingApiVersionParameter")
	default:
		m.dispatch(w, r, operation, lower)
	}
}

// dispatch hands a request to the fake server of its client.
func (m *Manager) dispatch(w http.ResponseWriter, r *http.Request, operation, lower string) {
	client, method, _ := strings.Cut(operation, ".")
	// Two packages of the SDK call their client just Client.
	name := strings.Replace(operation, "GraphClient", "Client", 1)
	server := m.servers[client]
	if client == "Client" {
		server = m.lister(strings.Split(lower, "/")[2])
	}
	ctx := context.WithValue(r.Context(), runtime.CtxAPINameKey{}, name)
	response, err := server.Do(r.WithContext(context.WithValue(ctx, pathKey{}, lower)))
	var refusal *azcore.ResponseError
	switch {
	case errors.As(err, &refusal):
		refuseManager(w, refusal.StatusCode, refusal.ErrorCode)
		return
	case err != nil:
		refuseManager(w, http.StatusBadRequest, method+": "+err.Error())
		return
	}
	defer response.Body.Close()
	w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func refuseManager(w http.ResponseWriter, status int, code string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": code}})
}

// pathKey is where a fake server's function finds the request's path.
type pathKey struct{}

// look finds the resource that was asked for.
func look[T any](ctx context.Context, m *Manager, in map[string]T) (T, fake.ErrorResponder) {
	var problem fake.ErrorResponder
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := in[ctx.Value(pathKey{}).(string)]
	if !ok {
		problem.SetResponseError(http.StatusNotFound, "ResourceNotFound")
	}
	return value, problem
}
