package recording

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	"github.com/spire-gatehouse/gatehouse/e2e/spire"
)

// Record has a fleet attest, and writes what was recorded of it to a directory that is
// empty or not there.
func Record(ctx context.Context, programs Programs, fleet Fleet, dir string) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("recording: directory %s is not empty", dir)
	}
	work, err := os.MkdirTemp("", "recording-")
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(filepath.Join(work, logs), 0o700); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := recorder{}
	if err := r.start(ctx, programs, fleet, work); err != nil {
		return err
	}
	defer r.server.Stop()
	for step := range steps {
		if err := r.step(ctx, step); err != nil {
			return err
		}
	}
	if err := r.server.end(); err != nil {
		return err
	}
	return keep(filepath.Join(work, logs), dir, fleet.Decisions())
}

// recorder has machines attest.
type recorder struct {
	aws      *awsCloud
	server   *server
	clients  []*spire.Client
	machines []machine
}

// machine is one that has booted.
type machine struct {
	Schedule
	plugin  string
	payload []byte
}

// Those who attest at once share some connections.
const (
	atOnce      = 100
	connections = 8
)

// start boots the fleet, and a server.
func (r *recorder) start(ctx context.Context, programs Programs, fleet Fleet, dir string) error {
	var err error
	if r.aws, err = newAWS(ctx, dir); err != nil {
		return err
	}
	azure, err := newAzure(ctx, dir)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, m := range fleet.Instances {
		payload, err := r.aws.boot(m, now)
		if err != nil {
			return err
		}
		r.machines = append(r.machines, machine{m.Schedule, "aws_iid", payload})
	}
	for _, m := range fleet.VMs {
		payload, err := azure.boot(m, now)
		if err != nil {
			return err
		}
		r.machines = append(r.machines, machine{m.Schedule, "azure_msi", payload})
	}
	if r.server, err = start(ctx, programs, dir, r.aws, azure); err != nil {
		return err
	}
	for range connections {
		client, err := r.server.NewClient()
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, client.Close)
		r.clients = append(r.clients, client)
	}
	return nil
}

// step has those attest whose turn it is: first those to whom something happens.
func (r *recorder) step(ctx context.Context, step int) error {
	if step == change {
		if err := r.server.change(ctx); err != nil {
			return err
		}
	}
	var down, twice, rest []machine
	for _, m := range r.machines {
		switch times := m.at(step); {
		case times == 2:
			twice = append(twice, m)
		case times == 1 && m.Down && step == m.Boots:
			down = append(down, m)
		case times == 1:
			rest = append(rest, m)
		}
	}
	if err := r.attestDuringOutage(ctx, down); err != nil {
		return err
	}
	if err := r.attestTwice(ctx, twice); err != nil {
		return err
	}
	return r.attest(ctx, rest, nil)
}

// attestDuringOutage has machines attest while EC2 does not answer.
func (r *recorder) attestDuringOutage(ctx context.Context, machines []machine) error {
	if len(machines) == 0 {
		return nil
	}
	defer r.aws.fail()()
	return r.attest(ctx, machines, nil)
}

// attestTwice has machines attest with somebody else at the same moment. Who comes
// first waits for EC2, which answers when all others are refused.
func (r *recorder) attestTwice(ctx context.Context, machines []machine) error {
	for some := range slices.Chunk(machines, atOnce/2) { // or those who wait would take all turns
		answer, refused := r.aws.hold(), 0
		err := r.attest(ctx, slices.Concat(some, some), func() {
			if refused++; refused == len(some) {
				answer()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// attest has machines attest at once, and calls done, unless that is nil, after each.
func (r *recorder) attest(ctx context.Context, machines []machine, done func()) error {
	var (
		mu    sync.Mutex
		wrong error
		all   sync.WaitGroup
	)
	turns := make(chan struct{}, atOnce)
	for i, m := range machines {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			err := r.attestOne(ctx, r.clients[i%len(r.clients)], m)
			mu.Lock()
			defer mu.Unlock()
			wrong = errors.Join(wrong, err)
			if done != nil {
				done()
			}
		})
	}
	all.Wait()
	return wrong
}

// attestOne fails where that was not Gatehouse's decision.
func (r *recorder) attestOne(ctx context.Context, client *spire.Client, m machine) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := client.Attest(ctx, m.plugin, m.payload)
	if err != nil && !strings.Contains(status.Convert(err).Message(), "(decision ") {
		return fmt.Errorf("recording: %s: %w", m.plugin, err)
	}
	return nil
}
