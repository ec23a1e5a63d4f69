// Package tiltfile evaluates the Tiltfile without Tilt, in the interpreter that Tilt uses, against the
// functions that https://docs.tilt.dev/api.html documents.
//
// It exists because a Tiltfile is a program that nothing else would run in CI: a misspelt argument, or a
// workload that an overlay has renamed, is otherwise found by the next person who types `tilt up`.
package tiltfile

// A kind is what an argument may be.
type kind int

const (
	text     kind = iota // a string
	texts                // a string, or a list of strings
	number               // an int
	flag                 // a bool
	mapping              // a dict
	anything             // what another function of the API returned
)

// A parameter of a function, in its documented place.
type parameter struct {
	name     string
	kind     kind
	required bool
}

func required(name string, kind kind) parameter { return parameter{name, kind, true} }
func optional(name string, kind kind) parameter { return parameter{name, kind, false} }

// functions are those that the Tiltfile calls, each with every parameter that it has in Tilt 0.33 to 0.37.
// What is not here is refused, so that a new call is looked up before it is used.
var functions = map[string][]parameter{
	"allow_k8s_contexts": {required("contexts", texts)},
	"version_settings":   {optional("check_updates", flag), optional("constraint", text)},
	"kustomize":          {required("pathToDir", text), optional("kustomize_bin", text), optional("flags", texts)},
	"k8s_yaml":           {required("yaml", texts), optional("allow_duplicates", flag)},
	"decode_yaml_stream": {required("yaml", text)},
	"k8s_context":        {},
	"fail":               {required("msg", text)},
	"link":               {required("url", text), optional("name", text)},
	"local": {
		required("command", texts), optional("quiet", flag), optional("command_bat", text), optional("echo_off", flag),
		optional("env", mapping), optional("dir", text), optional("stdin", anything),
	},
	"port_forward": {
		required("local_port", number), optional("container_port", number), optional("name", text),
		optional("link_path", text), optional("host", text),
	},
	"docker_build": {
		required("ref", text), required("context", text), optional("build_args", mapping),
		optional("dockerfile", text), optional("dockerfile_contents", text), optional("live_update", anything),
		optional("match_in_env_vars", flag), optional("ignore", texts), optional("only", texts),
		optional("entrypoint", texts), optional("target", text), optional("ssh", texts), optional("network", text),
		optional("secret", texts), optional("extra_tag", texts), optional("container_args", texts),
		optional("cache_from", texts), optional("pull", flag), optional("platform", text),
		optional("extra_hosts", texts),
	},
	"k8s_resource": {
		optional("workload", text), optional("new_name", text), optional("port_forwards", anything),
		optional("extra_pod_selectors", anything), optional("trigger_mode", anything), optional("resource_deps", texts),
		optional("objects", texts), optional("auto_init", flag), optional("pod_readiness", text),
		optional("links", anything), optional("labels", texts), optional("discovery_strategy", text),
	},
	"local_resource": {
		required("name", text), required("cmd", texts), optional("deps", texts), optional("trigger_mode", anything),
		optional("resource_deps", texts), optional("ignore", texts), optional("auto_init", flag),
		optional("serve_cmd", texts), optional("cmd_bat", texts), optional("serve_cmd_bat", texts),
		optional("allow_parallel", flag), optional("links", anything), optional("labels", texts),
		optional("env", mapping), optional("serve_env", mapping), optional("readiness_probe", anything),
		optional("dir", text), optional("serve_dir", text),
	},
	"config.define_string": {required("name", text), optional("args", flag), optional("usage", text)},
	"config.parse":         {},
	"shlex.quote":          {required("s", text)},
}
