package aws

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"crypto/rand"
	"encoding/hex"
)

const maxBody = 1 << 20

// A Call is one authenticated call of an API, for tests to look at.
type Call struct {
	Action  string // such as "ec2:DescribeInstances"
	Account string // whose credentials signed it
	Region  string
	Caller  string // the ARN behind the credentials
	Error   string // the code of the error that it got
}

// Server answers for a World. It is safe for concurrent use.
type Server struct {
	// Faults are what goes wrong.
	Faults Faults

	world    *World
	limits   limits
	services map[string]*service // by the name that credential scopes use

	mu    sync.Mutex
	calls []Call
}

// A service is one of the APIs.
type service struct {
	name      string // as credential scopes and IAM actions have it
	protocol  protocol
	authError func(*authFailure) *Error
	denied    func(caller, action string) *Error
	actions   map[string]action
}

// An action answers one kind of request with a value that the protocol knows
// how to write.
type action func(context.Context, *World, request) (any, *Error)

// A request that has passed authentication.
type request struct {
	caller accessKey
	region string
	id     string // for the answer
	params params
}

// A protocol is how a service's requests and answers look on the wire.
type protocol interface {
	// parse reads the name of the action and its parameters.
	parse(r *http.Request, body []byte) (name string, p params, err *Error)
	write(w http.ResponseWriter, id string, result any)
	fail(w http.ResponseWriter, id string, err *Error)
}

// New returns a server for the world.
func New(world *World) *Server {
	s := &Server{world: world, services: map[string]*service{}}
	for _, service := range []*service{ec2(), sts(), iam(), organizations(), eks(), autoscaling()} {
		s.services[service.name] = service
	}
	return s
}

// Calls lists the calls since the start or the last Forget.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Forget empties the list of calls.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

func (s *Server) record(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := requestID()
	// Clients learn from it how far the clocks are apart.
	w.Header().Set("Date", s.world.now().UTC().Format(http.TimeFormat))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
		return
	}
	// The service is not in the host name, as at AWS, since there is but one
	// endpoint here. The credential scope names it.
	auth, failure := parseAuthorization(r)
	svc := s.services[auth.service]
	if svc == nil {
		svc = s.services["sts"]
		if failure == nil {
			failure = &authFailure{kind: authMismatch, detail: "Credential should be scoped to correct service: '" + auth.service + "' is not known here. "}
		}
	}
	var caller accessKey
	if failure == nil {
		caller, failure = s.world.authenticate(r.Context(), r, body, auth)
	}
	if failure != nil {
		svc.protocol.fail(w, id, svc.authError(failure))
		return
	}
	name, p, apiErr := svc.protocol.parse(r, body)
	if apiErr != nil {
		svc.protocol.fail(w, id, apiErr)
		return
	}
	req := request{caller: caller, region: auth.region, id: id, params: p}
	result, apiErr := s.answer(r.Context(), svc, name, req)
	if apiErr != nil {
		svc.protocol.fail(w, id, apiErr)
		return
	}
	svc.protocol.write(w, id, result)
}

// answer runs one action of an authenticated request.
func (s *Server) answer(ctx context.Context, svc *service, name string, req request) (result any, err *Error) {
	run, ok := svc.actions[name]
	if !ok {
		return nil, badRequest("InvalidAction", "The action "+name+" is not valid for this web service.")
	}
	call := Call{Action: svc.name + ":" + name, Account: req.caller.account, Region: req.region, Caller: req.caller.arn(req.region)}
	defer func() {
		if err != nil {
			call.Error = err.Code
		}
		s.record(call)
	}()
	if fault, hit := s.Faults.next(call); hit {
		if err := fault.hit(ctx); err != nil {
			return nil, err
		}
	}
	if !s.limits.admit(call, time.Now()) {
		return nil, throttled(svc.name)
	}
	if allowed := req.caller.actions; len(allowed) > 0 && !slices.Contains(allowed, call.Action) {
		return nil, svc.denied(call.Caller, call.Action)
	}
	return run(ctx, s.world, req)
}

// requestID makes an ID of the form that AWS uses.
func requestID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, by its contract
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// timestamp writes a time as AWS does.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
