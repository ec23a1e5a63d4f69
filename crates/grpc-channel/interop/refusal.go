package main

import (
	"context"
	"flag"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// pushbackKey is the trailer by which a server tells its clients when to retry (gRFC A6).
const pushbackKey = "grpc-retry-pushback-ms"

// refusalConfig is how a server sheds its load.
type refusalConfig struct {
	// code is the status of a refused call; OK refuses none.
	code codeName
	// calls is how many calls are refused, the first ones; 0 refuses all.
	calls int64
	// retryInfo is the delay in the google.rpc.RetryInfo of a refusal; 0 leaves it out.
	retryInfo time.Duration
	// pushback is sent as it is, since clients must also bear a malformed one; "" leaves it out.
	pushback string
}

// refusal counts the calls that were refused.
type refusal struct {
	config  refusalConfig
	refused atomic.Int64
}

func (c *refusalConfig) flags(flags *flag.FlagSet) {
	flags.Var(&c.code, "refuse", "refuse calls of the test service with this `code`, such as RESOURCE_EXHAUSTED")
	flags.Int64Var(&c.calls, "refuse-calls", 0, "refuse only so many calls, the first ones; 0 refuses all")
	flags.DurationVar(&c.retryInfo, "retry-info", 0, "the delay in a refusal's google.rpc.RetryInfo; 0 leaves it out")
	flags.StringVar(&c.pushback, "pushback", "", "the `value` of a refusal's "+pushbackKey+", well-formed or not")
}

// decide returns the status of a call that is refused. Health and reflection are never refused: a
// server that sheds its load still says that it lives.
func (r *refusal) decide(ctx context.Context, method string) error {
	code := codes.Code(r.config.code)
	if code == codes.OK || !strings.HasPrefix(method, "/grpc.testing.") {
		return nil
	}
	if n := r.refused.Add(1); r.config.calls != 0 && n > r.config.calls {
		return nil
	}
	if r.config.pushback != "" {
		if err := grpc.SetTrailer(ctx, metadata.Pairs(pushbackKey, r.config.pushback)); err != nil {
			return err
		}
	}
	refused := status.New(code, "the server sheds its load")
	if r.config.retryInfo == 0 {
		return refused.Err()
	}
	detailed, err := refused.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(r.config.retryInfo)})
	if err != nil {
		return err
	}
	return detailed.Err()
}
