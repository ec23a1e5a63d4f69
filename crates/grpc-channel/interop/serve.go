package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// serveConfig is what the flags of serve say. Its zero value but for the address is grpc-go as it
// comes; in particular its keepalive enforcement policy stays the default, one ping in 5 minutes.
type serveConfig struct {
	listen       string
	age          time.Duration
	ageGrace     time.Duration
	drainTimeout time.Duration
	report       bool
	refusal      refusalConfig
	tls          tlsConfig
}

// server is a running serve command.
type server struct {
	config   serveConfig
	grpc     *grpc.Server
	health   *health.Server
	commands <-chan command
	signals  <-chan os.Signal
}

func parseServe(args []string, stderr io.Writer) (serveConfig, error) {
	var config serveConfig
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.StringVar(&config.listen, "listen", "127.0.0.1:0", "the `address` to listen on; port 0 takes a free one")
	flags.DurationVar(&config.age, "max-connection-age", 0, "end each connection by GOAWAY at this age, ±10 %; 0 never does")
	flags.DurationVar(&config.ageGrace, "max-connection-age-grace", 0, "cut an aged connection off after this time more; 0 never does")
	flags.DurationVar(&config.drainTimeout, "drain-timeout", 10*time.Second, "cut calls off that are still in flight so long after a drain began")
	flags.BoolVar(&config.report, "report-connections", false, "print a line when a connection opens, pings and closes")
	config.refusal.flags(flags)
	config.tls.flags(flags)
	return config, parse(flags, args, stderr)
}

// serve prints the address it listens on and then serves until stdin ends, or until a drain has.
func serve(config serveConfig, stdin io.Reader, stdout io.Writer) error {
	secure, err := config.tls.options()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", config.listen)
	if err != nil {
		return err
	}
	lines := &lines{to: stdout}
	lines.print("%s", listener.Addr())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	server := newServer(config, listener.Addr().String(), secure)
	server.commands = readCommands(stdin)
	server.signals = signals
	if config.report {
		listener = &reportingListener{Listener: listener, lines: lines}
	}
	served := make(chan error, 1)
	go func() { served <- server.grpc.Serve(listener) }()
	return server.follow(served)
}

func newServer(config serveConfig, address string, options []grpc.ServerOption) *server {
	refusal := refusal{config: config.refusal}
	options = append(options, before(func(ctx context.Context, method string) error {
		if err := sayServedBy(ctx, grpc.SetTrailer, address); err != nil {
			return err
		}
		if err := refusal.decide(ctx, method); err != nil {
			return err
		}
		// A call that has a header is committed and never retried (gRFC A6), so that a refusal must
		// not have one.
		return sayServedBy(ctx, grpc.SetHeader, address)
	})...)
	options = append(options, grpc.KeepaliveParams(keepalive.ServerParameters{
		MaxConnectionAge:      config.age,
		MaxConnectionAgeGrace: config.ageGrace,
	}))
	server := &server{config: config, grpc: grpc.NewServer(options...), health: health.NewServer()}
	grpc_testing.RegisterTestServiceServer(server.grpc, interop.NewTestServer())
	grpc_health_v1.RegisterHealthServer(server.grpc, server.health)
	reflection.Register(server.grpc)
	return server
}

// follow does what the operator says, by a signal or by a line on stdin, until the server ends.
func (s *server) follow(served <-chan error) error {
	for {
		select {
		case err := <-served:
			return err
		case <-s.signals:
			return s.drain()
		case command, open := <-s.commands:
			if !open {
				s.grpc.Stop()
				return nil
			}
			switch command := command.(type) {
			case setHealth:
				s.health.SetServingStatus(command.service, command.status)
			case drain:
				return s.drain()
			case misunderstood:
				s.grpc.Stop()
				return fmt.Errorf("there is no command %q; expected drain, serving [SERVICE] or not-serving [SERVICE]", command.line)
			}
		}
	}
}

// drain lets the calls in flight finish. A second signal, the end of stdin or the timeout cuts them
// off, which is an error.
func (s *server) drain() error {
	s.health.Shutdown()
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	timeout := time.NewTimer(s.config.drainTimeout)
	defer timeout.Stop()
	var why string
	select {
	case <-drained:
		return nil
	case <-timeout.C:
		why = fmt.Sprintf("they had not ended within %s", s.config.drainTimeout)
	case <-s.signals:
		why = "there was a second signal"
	case <-s.commands:
		why = "standard input ended, or said something, during the drain"
	}
	s.grpc.Stop()
	<-drained
	return fmt.Errorf("calls were cut off: %s", why)
}
