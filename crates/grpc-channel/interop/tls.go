package main

import (
	"errors"
	"flag"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// tlsConfig is how a server proves who it is; without files it speaks plaintext.
type tlsConfig struct {
	certFile string
	keyFile  string
}

// flags have the names that grpc-go's own interop server gives them.
func (c *tlsConfig) flags(flags *flag.FlagSet) {
	flags.StringVar(&c.certFile, "tls_cert_file", "", "speak TLS with the certificate in this PEM `file`")
	flags.StringVar(&c.keyFile, "tls_key_file", "", "the PEM `file` of the certificate's key")
}

func (c tlsConfig) options() ([]grpc.ServerOption, error) {
	if c.certFile == "" && c.keyFile == "" {
		return nil, nil
	}
	if c.certFile == "" || c.keyFile == "" {
		return nil, errors.New("TLS needs both -tls_cert_file and -tls_key_file")
	}
	identity, err := credentials.NewServerTLSFromFile(c.certFile, c.keyFile)
	if err != nil {
		return nil, err
	}
	return []grpc.ServerOption{grpc.Creds(identity)}, nil
}
