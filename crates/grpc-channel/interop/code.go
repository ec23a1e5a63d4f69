package main

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
)

// codeName is a status code as the gRPC documents and the service config write it, for example
// RESOURCE_EXHAUSTED. As a flag's value it reads the same name.
type codeName codes.Code

// String implements [flag.Value].
func (c codeName) String() string {
	return code.Code(c).String()
}

// Set implements [flag.Value].
func (c *codeName) Set(name string) error {
	value, ok := code.Code_value[name]
	if !ok {
		return fmt.Errorf("expected the name of a status code, such as UNAVAILABLE")
	}
	*c = codeName(value)
	return nil
}
