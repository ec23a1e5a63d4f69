package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// bound is by when everything is over on a machine that does much else, unless it hangs.
const bound = 30 * time.Second

// running is a serve command in this process.
type running struct {
	address string
	lines   <-chan string
	stdin   *io.PipeWriter
	ended   <-chan error
}

func start(t *testing.T, flags ...string) *running {
	t.Helper()
	input, stdin := io.Pipe()
	output, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(append([]string{"serve"}, flags...), input, stdout, io.Discard)
		stdout.Close()
	}()
	t.Cleanup(func() { stdin.Close() })
	// A server waits for its lines to be read, as any process does that writes to a full pipe.
	lines := make(chan string, 1_000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	address, ok := <-lines
	if !ok {
		t.Fatalf("serve must print its address first: %v", <-ended)
	}
	return &running{address: address, lines: lines, stdin: stdin, ended: ended}
}

func (r *running) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(bound):
		t.Fatal("serve must end")
		return nil
	}
}

func (r *running) dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	t.Cleanup(cancel)
	return ctx
}

func TestServeEndsWithItsStandardInput(t *testing.T) {
	server := start(t)
	server.stdin.Close()
	if err := server.end(t); err != nil {
		t.Errorf("the end of standard input is no failure: %v", err)
	}
}

func TestServeDrainsOnALineAndOnASignal(t *testing.T) {
	for name, drain := range map[string]func(*running) error{
		"line":   func(r *running) error { _, err := io.WriteString(r.stdin, "drain\n"); return err },
		"signal": func(*running) error { return syscall.Kill(syscall.Getpid(), syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			ctx := bounded(t)
			call, err := grpc_testing.NewTestServiceClient(server.dial(t)).FullDuplexCall(ctx, grpc.WaitForReady(true))
			if err != nil {
				t.Fatal(err)
			}
			exchange := func() {
				request := &grpc_testing.StreamingOutputCallRequest{ResponseParameters: []*grpc_testing.ResponseParameters{{Size: 1}}}
				if err := call.Send(request); err != nil {
					t.Fatal(err)
				}
				if _, err := call.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			exchange()
			if err := drain(server); err != nil {
				t.Fatal(err)
			}
			exchange()
			if err := call.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if _, err := call.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("a call in flight must finish: %v", err)
			}
			if err := server.end(t); err != nil {
				t.Errorf("a drain in which every call finished is no failure: %v", err)
			}
		})
	}
}

func TestADrainThatCutsCallsOffIsAFailure(t *testing.T) {
	server := start(t, "-drain-timeout=1ms")
	call, err := grpc_testing.NewTestServiceClient(server.dial(t)).FullDuplexCall(bounded(t), grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	request := &grpc_testing.StreamingOutputCallRequest{ResponseParameters: []*grpc_testing.ResponseParameters{{Size: 1}}}
	if err := call.Send(request); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(server.stdin, "drain\n"); err != nil {
		t.Fatal(err)
	}
	if err := server.end(t); err == nil {
		t.Error("the call that was in flight was cut off")
	}
}

func TestRefusalsCarryWhatTheFlagsSay(t *testing.T) {
	for _, pushback := range []string{"250", "-1", "soon"} {
		server := start(t, "-refuse=RESOURCE_EXHAUSTED", "-refuse-calls=1", "-retry-info=2s", "-pushback="+pushback)
		client := grpc_testing.NewTestServiceClient(server.dial(t))
		var header, trailer metadata.MD
		_, err := client.EmptyCall(bounded(t), &grpc_testing.Empty{}, grpc.WaitForReady(true), grpc.Header(&header), grpc.Trailer(&trailer))
		refused := status.Convert(err)
		if refused.Code() != codes.ResourceExhausted || len(refused.Details()) != 1 {
			t.Errorf("expected RESOURCE_EXHAUSTED with RetryInfo, got %v %v", refused, refused.Details())
		}
		if got := trailer.Get(pushbackKey); len(got) != 1 || got[0] != pushback {
			t.Errorf("expected the pushback %q as it is, got %q", pushback, got)
		}
		if got := trailer.Get(servedBy); len(got) != 1 || got[0] != server.address {
			t.Errorf("expected %s in the trailer, got %q", server.address, got)
		}
		if len(header.Get(servedBy)) != 0 {
			t.Error("a refusal with a header cannot be retried")
		}
		if _, err := client.EmptyCall(bounded(t), &grpc_testing.Empty{}, grpc.Header(&header)); err != nil || header.Get(servedBy)[0] != server.address {
			t.Errorf("the second call must be answered, by %s: %v, %v", server.address, err, header)
		}
	}
}

func TestHealthFollowsTheOperator(t *testing.T) {
	server := start(t)
	client := grpc_health_v1.NewHealthClient(server.dial(t))
	watch, err := client.Watch(bounded(t), &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ line, expected string }{
		{"", "SERVING"}, {"not-serving\n", "NOT_SERVING"}, {"serving\n", "SERVING"},
	} {
		if _, err := io.WriteString(server.stdin, step.line); err != nil {
			t.Fatal(err)
		}
		if got, err := watch.Recv(); err != nil || got.GetStatus().String() != step.expected {
			t.Fatalf("expected %s after %q, got %v, %v", step.expected, step.line, got, err)
		}
	}
}

func TestConnectionsAreReported(t *testing.T) {
	server := start(t, "-report-connections")
	conn := server.dial(t)
	if _, err := grpc_testing.NewTestServiceClient(conn).EmptyCall(bounded(t), &grpc_testing.Empty{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	var events []string
	for line := range server.lines {
		events = append(events, line)
		if line == "connection 1 closed" {
			break
		}
	}
	if events[0] != "connection 1 opened" {
		t.Errorf("a connection must open before anything else: %q", events)
	}
}
