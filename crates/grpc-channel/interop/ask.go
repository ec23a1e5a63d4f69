package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// askConfig is what the flags of ask say.
type askConfig struct {
	address       string
	method        string
	stream        bool
	request       []byte
	calls         int
	timeout       time.Duration
	authorization string
	caFile        string
	serverName    string
	certFile      string
	keyFile       string
}

// answer is a status as grpc-go reads it, with the google.rpc details that a refusal may have.
type answer struct {
	Code     string            `json:"code"`
	Message  string            `json:"message"`
	Reason   string            `json:"reason,omitempty"`
	Domain   string            `json:"domain,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	// RetryDelayNanos is the delay of RetryInfo; nil when there is none.
	RetryDelayNanos *int64 `json:"retry_delay_nanos,omitempty"`
}

func parseAsk(args []string, stderr io.Writer) (askConfig, error) {
	config := askConfig{request: []byte{}}
	flags := flag.NewFlagSet("ask", flag.ContinueOnError)
	flags.StringVar(&config.address, "address", "", "what to call: `address:port`")
	flags.StringVar(&config.method, "method", "", "the `method`, as /package.Service/Method")
	flags.BoolVar(&config.stream, "stream", false, "the server answers with a stream; its first message counts")
	flags.Func("request", "the request, encoded, in `hex`; without it the message is empty", func(text string) (err error) {
		config.request, err = hex.DecodeString(text)
		return err
	})
	flags.IntVar(&config.calls, "calls", 1, "how many calls to make, one after the other")
	flags.DurationVar(&config.timeout, "timeout", 10*time.Second, "the deadline of each call")
	flags.StringVar(&config.authorization, "authorization", "", "the `value` of the header authorization")
	flags.StringVar(&config.caFile, "tls_ca_file", "", "speak TLS, and trust the authority in this PEM `file`")
	flags.StringVar(&config.serverName, "tls_server_name", "", "the `name` that the server's certificate must have")
	flags.StringVar(&config.certFile, "tls_cert_file", "", "the PEM `file` of the client's own certificate")
	flags.StringVar(&config.keyFile, "tls_key_file", "", "the PEM `file` of that certificate's key")
	if err := parse(flags, args, stderr); err != nil {
		return config, err
	}
	if config.address == "" || config.method == "" || config.calls < 1 || config.timeout <= 0 {
		fmt.Fprintln(stderr, "interop: ask needs an -address and a -method, and -calls and -timeout of more than 0")
		return config, errUsage
	}
	return config, nil
}

// ask makes the calls and prints how each of them ended, as one JSON object on a line. A status is an
// answer, whatever it is, and no failure of ask.
func ask(config askConfig, stdout io.Writer) error {
	transport, err := config.transport()
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:///"+config.address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer conn.Close()
	output := json.NewEncoder(stdout)
	for range config.calls {
		if err := output.Encode(readAnswer(config.once(conn))); err != nil {
			return err
		}
	}
	return nil
}

func (c askConfig) transport() (credentials.TransportCredentials, error) {
	if c.caFile == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(c.caFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: c.serverName}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in " + c.caFile)
	}
	if c.certFile != "" {
		identity, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{identity}
	}
	return credentials.NewTLS(config), nil
}

func (c askConfig) once(conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	if c.authorization != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", c.authorization)
	}
	var reply []byte
	if !c.stream {
		return conn.Invoke(ctx, c.method, c.request, &reply, grpc.ForceCodecV2(rawCodec{}))
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.method, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(c.request); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(&reply); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func readAnswer(err error) answer {
	ended := status.Convert(err)
	read := answer{Code: codeName(ended.Code()).String(), Message: ended.Message()}
	for _, detail := range ended.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			read.Reason, read.Domain, read.Metadata = detail.GetReason(), detail.GetDomain(), detail.GetMetadata()
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration().Nanoseconds()
			read.RetryDelayNanos = &delay
		}
	}
	return read
}
