package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
)

// Argument makes the program that calls Spawn one that serves it: its main calls
// Serve when it is the first.
const Argument = "measure"

// task is what a spawned process does: one of both.
type task struct {
	Job      *Job
	Sequence *Sequence
}

// Spawn does the job in a process of its own, with this environment. It calls ready
// as Run does.
func (j Job) Spawn(ctx context.Context, env []string, ready func()) (figures Figures, err error) {
	return figures, spawn(ctx, task{Job: &j}, env, ready, &figures)
}

// Spawn does the sequence in a process of its own.
func (s Sequence) Spawn(ctx context.Context, env []string, ready func()) (latencies Latencies, err error) {
	return latencies, spawn(ctx, task{Sequence: &s}, env, ready, &latencies)
}

// spawn starts this program again. Both speak in lines: the task; an empty one each
// way when what is measured may begin; what was measured.
func spawn(ctx context.Context, t task, env []string, ready func(), result any) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	command := exec.CommandContext(ctx, self, Argument)
	command.Env = env
	command.SysProcAttr = process.Attributes()
	var trouble strings.Builder
	command.Stderr = &trouble
	in, inErr := command.StdinPipe()
	out, outErr := command.StdoutPipe()
	if err := firstError(inErr, outErr, command.Start()); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	lines := bufio.NewReader(out)
	err = func() error {
		if _, err := fmt.Fprintf(in, "%s\n", line); err != nil {
			return err
		}
		if _, err := lines.ReadString('\n'); err != nil {
			return err
		}
		if ready != nil {
			ready()
		}
		if _, err := fmt.Fprintln(in); err != nil {
			return err
		}
		return json.NewDecoder(lines).Decode(result)
	}()
	_ = in.Close()
	if waitErr := command.Wait(); err != nil || waitErr != nil {
		return fmt.Errorf("bench: %w: %s", firstError(ctx.Err(), waitErr, err), strings.TrimSpace(trouble.String()))
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Serve does the task that a Spawn sends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	var t task
	if err := json.Unmarshal(line, &t); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	ready := func() {
		fmt.Fprintln(out)
		_, _ = lines.ReadString('\n')
	}
	var result any
	if t.Job != nil {
		result, err = t.Job.Run(ctx, ready)
	} else {
		result, err = t.Sequence.Run(ctx, ready)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}
