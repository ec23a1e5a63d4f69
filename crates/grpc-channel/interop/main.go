// Command interop is grpc-go as a peer of the channel in this crate: a server that answers the
// standard interop test cases and has bad days on request, and a client that balances its calls.
//
// A channel that is only tested against servers of its own house agrees with its own mistakes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// The exit codes of sysexits.h that this program has.
const (
	exitFailure = 1
	exitUsage   = 64
)

const usage = `usage: interop serve [flags]    a server, until its standard input ends
       interop call [flags]     a client that makes calls and counts them
       interop ask [flags]      a client that says how calls ended, with every detail

interop COMMAND -help lists the flags of a command.
`

// errUsage is an error in the arguments; the flag package has told about it already.
var errUsage = errors.New("usage")

func main() {
	os.Exit(exitCode(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	switch command, args := args[0], args[1:]; command {
	case "serve":
		config, err := parseServe(args, stderr)
		if err != nil {
			return err
		}
		return serve(config, stdin, stdout)
	case "call":
		config, err := parseCall(args, stderr)
		if err != nil {
			return err
		}
		return call(config, stdout)
	case "ask":
		config, err := parseAsk(args, stderr)
		if err != nil {
			return err
		}
		return ask(config, stdout)
	default:
		fmt.Fprintf(stderr, "interop: there is no command %q\n%s", command, usage)
		return errUsage
	}
}

func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	default:
		fmt.Fprintf(stderr, "interop: %v\n", err)
		return exitFailure
	}
}

// parse reads the flags of a command, which takes no other arguments.
func parse(flags *flag.FlagSet, args []string, stderr io.Writer) error {
	flags.SetOutput(stderr)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "interop: %s takes flags only, not %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}
