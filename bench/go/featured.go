package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// Spans that are sampled are put together, and go nowhere: what a collector costs is not measured.
type discarded struct{}

func (discarded) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (discarded) Shutdown(context.Context) error                          { return nil }

// featured is a server with everything on, as the documentation of each part sets it up.
func featured(keys, issuer, audience, metrics string) (*grpc.Server, error) {
	guard, err := newGuard(keys, issuer, audience)
	if err != nil {
		return nil, err
	}
	tracer := trace.NewTracerProvider(
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(0.01))),
		trace.WithBatcher(discarded{}),
	)
	measured := grpcprometheus.NewServerMetrics(grpcprometheus.WithServerHandlingTimeHistogram())
	registry := prometheus.NewRegistry()
	registry.MustRegister(measured)
	go func() {
		handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
		fmt.Fprintln(os.Stderr, http.ListenAndServe(metrics, handler))
	}()
	server := grpc.NewServer(
		grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(tracer))),
		grpc.ChainUnaryInterceptor(measured.UnaryServerInterceptor(), guard.unary),
		grpc.ChainStreamInterceptor(measured.StreamServerInterceptor(), guard.stream),
	)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	return server, nil
}

type guard struct {
	parser *jwt.Parser
	keys   map[string]any
}

// newGuard reads a JSON Web Key Set with keys of Ed25519 and shared secrets.
func newGuard(path, issuer, audience string) (*guard, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kty, Kid, K, X string }
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, err
	}
	keys := map[string]any{}
	for _, key := range set.Keys {
		switch key.Kty {
		case "oct":
			secret, err := base64.RawURLEncoding.DecodeString(key.K)
			if err != nil {
				return nil, err
			}
			keys[key.Kid] = secret
		case "OKP":
			point, err := base64.RawURLEncoding.DecodeString(key.X)
			if err != nil {
				return nil, err
			}
			keys[key.Kid] = ed25519.PublicKey(point)
		}
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"HS256", "EdDSA"}),
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
	)
	return &guard{parser, keys}, nil
}

func (g *guard) check(ctx context.Context) error {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return status.Error(codes.Unauthenticated, "no credentials")
	}
	token, found := strings.CutPrefix(values[0], "Bearer ")
	if !found {
		return status.Error(codes.Unauthenticated, "no bearer")
	}
	_, err := g.parser.Parse(token, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		key, found := g.keys[kid]
		if !found {
			return nil, fmt.Errorf("no key %q", kid)
		}
		return key, nil
	})
	if err != nil {
		return status.Error(codes.Unauthenticated, "the token is not accepted")
	}
	return nil
}

func isOpen(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.v1.Health/")
}

func (g *guard) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if !isOpen(info.FullMethod) {
		if err := g.check(ctx); err != nil {
			return nil, err
		}
	}
	return handler(ctx, request)
}

func (g *guard) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if !isOpen(info.FullMethod) {
		if err := g.check(stream.Context()); err != nil {
			return err
		}
	}
	return handler(server, stream)
}
