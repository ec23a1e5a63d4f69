package main

import (
	"bufio"
	"io"
	"strings"

	"google.golang.org/grpc/health/grpc_health_v1"
)

// command is one line on the standard input of a running server.
type command interface{ isCommand() }

type (
	// drain begins an orderly end, as SIGTERM does.
	drain struct{}
	// setHealth is what grpc.health.v1 says of a service from now on; "" is the server as a whole.
	setHealth struct {
		service string
		status  grpc_health_v1.HealthCheckResponse_ServingStatus
	}
	// misunderstood is a line that is no command.
	misunderstood struct{ line string }
)

func (drain) isCommand()         {}
func (setHealth) isCommand()     {}
func (misunderstood) isCommand() {}

// readCommands reads until input ends, and then closes the channel: whoever started the server has
// gone, however that happened.
func readCommands(input io.Reader) <-chan command {
	commands := make(chan command)
	go func() {
		defer close(commands)
		for lines := bufio.NewScanner(input); lines.Scan(); {
			commands <- parseCommand(lines.Text())
		}
	}()
	return commands
}

func parseCommand(line string) command {
	verb, service, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch {
	case verb == "drain" && service == "":
		return drain{}
	case verb == "serving":
		return setHealth{service, grpc_health_v1.HealthCheckResponse_SERVING}
	case verb == "not-serving":
		return setHealth{service, grpc_health_v1.HealthCheckResponse_NOT_SERVING}
	default:
		return misunderstood{line}
	}
}
