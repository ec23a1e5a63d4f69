package tiltfile

import (
	"fmt"
	"os"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// A Call is one call of a function of Tilt's API, with the arguments that were given.
type Call struct {
	Function  string
	Arguments map[string]starlark.Value
}

// An Evaluation is what Tilt would have been told.
type Evaluation struct {
	Calls    []Call
	Rendered string

	machine string
	render  func(folder string) (string, error)
	flags   map[string]string
	defined map[string]bool
	made    map[string]bool
}

func init() {
	// Tilt's dialect: `if` and `for` at the top level, and names that are assigned twice.
	resolve.AllowGlobalReassign = true
}

// Evaluate runs a Tiltfile as `tilt up -- --flag=value` does, on the cluster of the context `kind-kind`.
// machine is what `rustc --print host-tuple` answers there, and render what `kustomize` answers for a folder.
func Evaluate(source, machine string, flags map[string]string, render func(folder string) (string, error)) (*Evaluation, error) {
	it := &Evaluation{machine: machine, render: render, flags: flags, defined: map[string]bool{}, made: map[string]bool{}}
	predeclared := starlark.StringDict{
		"TRIGGER_MODE_AUTO":   starlark.String("auto"),
		"TRIGGER_MODE_MANUAL": starlark.String("manual"),
	}
	modules := map[string]starlark.StringDict{}
	for name, parameters := range functions {
		builtin := starlark.NewBuiltin(name, it.record(parameters))
		if module, member, found := strings.Cut(name, "."); found {
			if modules[module] == nil {
				modules[module] = starlark.StringDict{}
			}
			modules[module][member] = builtin
		} else {
			predeclared[name] = builtin
		}
	}
	modules["config"]["tilt_subcommand"] = starlark.String("up")
	for name, members := range modules {
		predeclared[name] = starlarkstruct.FromStringDict(starlarkstruct.Default, members)
	}
	_, err := starlark.ExecFile(&starlark.Thread{Name: "Tiltfile"}, "Tiltfile", source, predeclared)
	return it, err
}

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// record checks the arguments of a call, keeps it, and answers for the functions that have an answer.
func (it *Evaluation) record(parameters []parameter) builtin {
	return func(_ *starlark.Thread, fn *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		values := make([]starlark.Value, len(parameters))
		pairs := make([]any, 0, 2*len(parameters))
		for i, parameter := range parameters {
			name := parameter.name
			if !parameter.required {
				name += "?"
			}
			pairs = append(pairs, name, &values[i])
		}
		if err := starlark.UnpackArgs(fn.Name(), args, kwargs, pairs...); err != nil {
			return nil, err
		}
		call := Call{Function: fn.Name(), Arguments: map[string]starlark.Value{}}
		for i, parameter := range parameters {
			if values[i] == nil {
				continue
			}
			if !parameter.kind.accepts(values[i]) {
				return nil, fmt.Errorf("%s: %s cannot be %s", fn.Name(), parameter.name, values[i])
			}
			call.Arguments[parameter.name] = values[i]
		}
		it.Calls = append(it.Calls, call)
		return it.answer(call)
	}
}

func (it *Evaluation) answer(call Call) (starlark.Value, error) {
	switch call.Function {
	case "local_resource":
		return starlark.None, it.make("resource " + call.Text("name"))
	case "docker_build":
		return starlark.None, it.make("image " + call.Text("ref"))
	case "local":
		if command := call.Text("command"); command != "rustc --print host-tuple" {
			return nil, fmt.Errorf("local: no answer is known for %q", command)
		}
		return starlark.String(it.machine + "\n"), nil
	case "fail":
		return nil, fmt.Errorf("%s", call.Text("msg"))
	case "k8s_context":
		return starlark.String("kind-kind"), nil
	case "shlex.quote":
		return starlark.String("'" + strings.ReplaceAll(call.Text("s"), "'", `'"'"'`) + "'"), nil
	case "port_forward", "link":
		members := starlark.StringDict{}
		for name, value := range call.Arguments {
			members[name] = value
		}
		return starlarkstruct.FromStringDict(starlark.String(call.Function), members), nil
	case "config.define_string":
		it.defined[call.Text("name")] = true
	case "config.parse":
		settings := starlark.NewDict(len(it.flags))
		for name, value := range it.flags {
			if !it.defined[name] {
				return nil, fmt.Errorf("config.parse: flag provided but not defined: -%s", name)
			}
			if err := settings.SetKey(starlark.String(name), starlark.String(value)); err != nil {
				return nil, err
			}
		}
		return settings, nil
	case "kustomize":
		rendered, err := it.render(call.Text("pathToDir"))
		if err != nil {
			return nil, err
		}
		it.Rendered = rendered
		return starlark.String(rendered), nil
	case "decode_yaml_stream":
		return decodeStream(call.Text("yaml"))
	}
	return starlark.None, nil
}

// make refuses what has been made before, as Tilt does.
func (it *Evaluation) make(what string) error {
	if it.made[what] {
		return fmt.Errorf("the %s has been made already", what)
	}
	it.made[what] = true
	return nil
}

// === kind ===

func (it kind) accepts(value starlark.Value) bool {
	switch value := value.(type) {
	case starlark.String:
		return it == text || it == texts || it == anything
	case starlark.Int:
		return it == number
	case starlark.Bool:
		return it == flag
	case *starlark.Dict:
		return it == mapping
	case *starlark.List:
		if it == anything {
			return true
		}
		for i := range value.Len() {
			if _, ok := value.Index(i).(starlark.String); !ok {
				return false
			}
		}
		return it == texts
	default:
		return it == anything
	}
}

// === Call ===

// Text is an argument that is a string; "" where it was not given.
func (it Call) Text(name string) string {
	value, _ := it.Arguments[name].(starlark.String)
	return string(value)
}

// Texts is an argument that is a string or a list of strings.
func (it Call) Texts(name string) []string {
	switch value := it.Arguments[name].(type) {
	case starlark.String:
		return []string{string(value)}
	case *starlark.List:
		var all []string
		for i := range value.Len() {
			all = append(all, string(value.Index(i).(starlark.String)))
		}
		return all
	default:
		return nil
	}
}

// === Evaluation ===

// Of are the calls of one function, in their order.
func (it *Evaluation) Of(function string) []Call {
	var calls []Call
	for _, call := range it.Calls {
		if call.Function == function {
			calls = append(calls, call)
		}
	}
	return calls
}

func read(path string) (string, error) {
	content, err := os.ReadFile(path)
	return string(content), err
}
