package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// roundRobin is the service config of a client that spreads its calls.
const roundRobin = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// callConfig is what the flags of call say.
type callConfig struct {
	target   string
	method   string
	request  []byte
	calls    int64
	workers  int
	timeout  time.Duration
	replicas int
}

// caller makes calls of one method.
type caller struct {
	config callConfig
	conn   *grpc.ClientConn
}

func parseCall(args []string, stderr io.Writer) (callConfig, error) {
	config := callConfig{request: []byte{}}
	flags := flag.NewFlagSet("call", flag.ContinueOnError)
	flags.StringVar(&config.target, "target", "", "what to call: dns:///name:port, or ipv4:address:port,address:port")
	flags.StringVar(&config.method, "method", "/grpc.testing.TestService/EmptyCall", "the unary `method`, as /package.Service/Method")
	flags.Func("request", "the request, encoded, in `hex`; without it the message is empty", func(text string) (err error) {
		config.request, err = hex.DecodeString(text)
		return err
	})
	flags.Int64Var(&config.calls, "calls", 1, "how many calls to make")
	flags.IntVar(&config.workers, "workers", 1, "how many calls are in flight at once")
	flags.DurationVar(&config.timeout, "timeout", 10*time.Second, "the deadline of each call")
	flags.IntVar(&config.replicas, "replicas", 0, "make calls that are not counted until so many replicas have answered")
	if err := parse(flags, args, stderr); err != nil {
		return config, err
	}
	if config.target == "" || config.calls < 1 || config.workers < 1 || config.timeout <= 0 {
		fmt.Fprintln(stderr, "interop: call needs a -target, and -calls, -workers and -timeout of more than 0")
		return config, errUsage
	}
	return config, nil
}

// call makes the calls and prints what became of them as one JSON object. Failed calls make it fail.
func call(config callConfig, stdout io.Writer) error {
	target, options := dial(config.target)
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	caller := &caller{config: config, conn: conn}
	if err := caller.meet(); err != nil {
		return err
	}
	tally := caller.run()
	if err := json.NewEncoder(stdout).Encode(tally); err != nil {
		return err
	}
	if failed := tally.failed(); failed > 0 {
		return fmt.Errorf("%d of %d calls failed, first: %s", failed, config.calls, tally.FirstFailure)
	}
	return nil
}

// dial is grpc-go at its defaults, keepalive included, but for the policy. The ipv4 scheme of gRPC's
// naming document is one that grpc-go has no resolver for.
func dial(target string) (string, []grpc.DialOption) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(roundRobin),
	}
	addresses, ok := strings.CutPrefix(target, "ipv4:")
	if !ok {
		return target, options
	}
	var state resolver.State
	for address := range strings.SplitSeq(addresses, ",") {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{
			Addresses: []resolver.Address{{Addr: address}},
		})
	}
	resolver := manual.NewBuilderWithScheme("ipv4")
	resolver.InitialState(state)
	// A list is no authority, and servers refuse it; the first address stands for all.
	first, _, _ := strings.Cut(addresses, ",")
	return "ipv4:///" + addresses, append(options, grpc.WithResolvers(resolver), grpc.WithAuthority(first))
}

// meet calls until every replica that is expected has answered: grpc-go begins to spread calls when
// the first connection is ready, and a spread can only be judged over all of them.
func (c *caller) meet() error {
	met := make(map[string]bool)
	failure := errors.New("no call failed")
	for began := time.Now(); len(met) < c.config.replicas; {
		if time.Since(began) > c.config.timeout {
			return fmt.Errorf("%d of %d replicas have answered within %s; the last failure: %w", len(met), c.config.replicas, c.config.timeout, failure)
		}
		replica, err := c.once()
		if err != nil {
			failure = err
			continue
		}
		met[replica] = true
	}
	return nil
}

func (c *caller) run() *tally {
	var (
		tally   = newTally(c.config.calls)
		started atomic.Int64
		workers sync.WaitGroup
	)
	for range c.config.workers {
		workers.Go(func() {
			for started.Add(1) <= c.config.calls {
				tally.add(c.once())
			}
		})
	}
	workers.Wait()
	return tally
}

// once makes one call and says which replica answered.
func (c *caller) once() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.config.timeout)
	defer cancel()
	var (
		reply           []byte
		header, trailer metadata.MD
	)
	err := c.conn.Invoke(ctx, c.config.method, c.config.request, &reply,
		grpc.ForceCodecV2(rawCodec{}), grpc.Header(&header), grpc.Trailer(&trailer), grpc.WaitForReady(true))
	if err != nil {
		return "", err
	}
	replica := append(header.Get(servedBy), trailer.Get(servedBy)...)
	if len(replica) == 0 {
		return "", errors.New("the response does not say " + servedBy)
	}
	return replica[0], nil
}
