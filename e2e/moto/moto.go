// Package moto runs moto, an emulator of AWS that others write
// (https://docs.getmoto.org): what passes against our own stand-in should pass
// there too.
//
// Start at Start.
package moto

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/repo"
	"github.com/spire-gatehouse/gatehouse/internal/testport"
)

// Account is the account that moto's requests belong to, unless a role is
// assumed in another.
const Account = "123456789012"

// ErrNotInstalled is the error of Start when there is no moto_server.
var ErrNotInstalled = errors.New("moto_server is not installed: run make moto")

const startTimeout = 4 * time.Minute

// Server is a running moto_server.
type Server struct {
	*process.Process

	// URL is its endpoint for all services.
	URL string
}

// Start runs moto_server on a loopback port until ctx ends or Stop is called.
func Start(ctx context.Context) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	port, err := testport.Free(ctx)
	if err != nil {
		return nil, err
	}
	running, err := process.Start(ctx, nil, os.Environ(), program, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	s := &Server{Process: running, URL: "http://127.0.0.1:" + strconv.Itoa(port)}
	if err := s.up(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// up waits until it answers.
func (s *Server) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/moto-api/data.json", nil)
		if err != nil {
			return fmt.Errorf("moto: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		select {
		case <-s.Done():
			return s.Ended()
		case <-ctx.Done():
			return fmt.Errorf("moto: waiting for moto_server: %w, last: %w", ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// find looks in the checkout's .cache, then on PATH.
func find() (string, error) {
	cache, err := repo.Cache()
	if err != nil {
		return "", err
	}
	if own := filepath.Join(cache, "moto", "bin", "moto_server"); exists(own) {
		return own, nil
	}
	if path, err := exec.LookPath("moto_server"); err == nil {
		return path, nil
	}
	return "", ErrNotInstalled
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
