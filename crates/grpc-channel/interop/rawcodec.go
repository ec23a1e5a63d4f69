package main

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// rawCodec sends and receives messages that are encoded already, so that a method can be called by
// its name alone, without its generated code.
type rawCodec struct{}

// Marshal implements [encoding.CodecV2].
func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	data, ok := message.([]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: expected []byte, got %T", message)
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal implements [encoding.CodecV2].
func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	into, ok := message.(*[]byte)
	if !ok {
		return fmt.Errorf("raw codec: expected *[]byte, got %T", message)
	}
	*into = data.Materialize()
	return nil
}

// Name implements [encoding.CodecV2]. It becomes the subtype of content-type, and the bytes are
// protobuf's.
func (rawCodec) Name() string {
	return "proto"
}
