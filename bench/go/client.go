package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	pb "peers/benchv1"
)

const policy = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// drive prints `CALLS CPU_MICROSECONDS FAILED`, of what is left after one second of warming up.
func drive(callersText, secondsText string, addresses []string) error {
	callers, err := strconv.Atoi(callersText)
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(secondsText)
	if err != nil {
		return err
	}
	backends := manual.NewBuilderWithScheme("static")
	var state resolver.State
	for _, address := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	backends.InitialState(state)
	connection, err := grpc.NewClient("static:///backends",
		grpc.WithResolvers(backends),
		grpc.WithDefaultServiceConfig(policy),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()

	var calls, failed atomic.Int64
	var over atomic.Bool
	var group sync.WaitGroup
	client := pb.NewRecordsClient(connection)
	for range callers {
		group.Go(func() {
			request := &pb.GetRequest{Id: "0198e2f4-7c1d-7b2a-9d3e-5f6a7b8c9d0e"}
			for !over.Load() {
				if _, err := client.Get(context.Background(), request); err != nil {
					failed.Add(1)
				} else {
					calls.Add(1)
				}
			}
		})
	}
	time.Sleep(time.Second)
	callsBefore, failedBefore := calls.Load(), failed.Load()
	before, err := cpuTime()
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	after, err := cpuTime()
	if err != nil {
		return err
	}
	fmt.Println(calls.Load()-callsBefore, (after - before).Microseconds(), failed.Load()-failedBefore)
	over.Store(true)
	group.Wait()
	return nil
}

// cpuTime is what this process has used of it.
func cpuTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
