// Command peers is what gRPC costs in Go, to be measured beside.
//
//	peers serve ADDRESS bare
//	peers serve ADDRESS featured KEYS ISSUER AUDIENCE METRICS
//	peers client CALLERS SECONDS ADDRESS...
//
// featured has what a service in production has: health, reflection, a JSON Web Token verified for
// every call, OpenTelemetry's spans for 1 % of the calls, Prometheus' metrics of all of them.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "peers/benchv1"
)

type records struct {
	pb.UnimplementedRecordsServer
}

// As long, field by field, as what the measured service answers.
func record(id string) *pb.Record {
	age := int32(36)
	return &pb.Record{
		Id:          id,
		DisplayName: "Ada Lovelace",
		Email:       "ada@example.com",
		Age:         &age,
		CreateTime:  &timestamppb.Timestamp{Seconds: 1_780_000_000, Nanos: 123_456_789},
		UpdateTime:  &timestamppb.Timestamp{Seconds: 1_780_000_000, Nanos: 123_456_789},
		Etag:        `"AZrX8mWq0Qk"`,
	}
}

func (records) Get(_ context.Context, request *pb.GetRequest) (*pb.GetResponse, error) {
	return &pb.GetResponse{Record: record(request.GetId())}, nil
}

func (records) Lookup(stream grpc.BidiStreamingServer[pb.GetRequest, pb.GetResponse]) error {
	for {
		question, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.GetResponse{Record: record(question.GetId())}); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "serve" && arguments[2] == "bare":
		return serve(arguments[1], grpc.NewServer())
	case len(arguments) == 7 && arguments[0] == "serve" && arguments[2] == "featured":
		server, err := featured(arguments[3], arguments[4], arguments[5], arguments[6])
		if err != nil {
			return err
		}
		return serve(arguments[1], server)
	case len(arguments) >= 4 && arguments[0] == "client":
		return drive(arguments[1], arguments[2], arguments[3:])
	default:
		return fmt.Errorf("expected serve ADDRESS bare, serve ADDRESS featured KEYS ISSUER AUDIENCE METRICS, " +
			"or client CALLERS SECONDS ADDRESS...")
	}
}

func serve(address string, server *grpc.Server) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	pb.RegisterRecordsServer(server, records{})
	return server.Serve(listener)
}
