package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// servedBy is the metadata that names the replica in every response.
const servedBy = "x-served-by"

// before runs hook before the handler of every call; its error is the call's status.
func before(hook func(ctx context.Context, method string) error) []grpc.ServerOption {
	unary := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := hook(ctx, info.FullMethod); err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
	stream := func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if err := hook(stream.Context(), info.FullMethod); err != nil {
			return err
		}
		return handler(service, stream)
	}
	return []grpc.ServerOption{grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream)}
}

// sayServedBy names the replica in the metadata that set sends: the header, the trailer.
func sayServedBy(ctx context.Context, set func(context.Context, metadata.MD) error, address string) error {
	return set(ctx, metadata.Pairs(servedBy, address))
}
