package tiltfile

import (
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

const (
	root    = "../.."
	machine = "x86_64-unknown-linux-gnu"
)

var overlays = []string{"plain", "mtls", "istio"}

// What has been rendered already, by folder: it does not change while the tests run, and takes long.
var rendered = map[string]string{}

func render(folder string) (string, error) {
	if output, found := rendered[folder]; found {
		return output, nil
	}
	command := exec.Command("kubectl", "kustomize", filepath.Join(root, folder))
	if _, err := exec.LookPath("kubectl"); err != nil {
		command = exec.Command("kustomize", "build", filepath.Join(root, folder))
	}
	var complaint strings.Builder
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", command, err, complaint.String())
	}
	rendered[folder] = string(output)
	return rendered[folder], nil
}

func evaluate(t *testing.T, flags map[string]string) *Evaluation {
	t.Helper()
	it, err := tryEvaluate(t, flags)
	if err != nil {
		t.Fatalf("the Tiltfile must evaluate with %v: %v", flags, err)
	}
	return it
}

func tryEvaluate(t *testing.T, flags map[string]string) (*Evaluation, error) {
	t.Helper()
	source, err := read(filepath.Join(root, "Tiltfile"))
	if err != nil {
		t.Fatal(err)
	}
	return Evaluate(source, machine, flags, render)
}

// everyChoice runs a test for each overlay, and each way to build.
func everyChoice(t *testing.T, test func(*testing.T, *Evaluation)) {
	for _, overlay := range overlays {
		for _, build := range []string{"host", "docker"} {
			t.Run(overlay+" "+build, func(t *testing.T) {
				test(t, evaluate(t, map[string]string{"overlay": overlay, "build": build}))
			})
		}
	}
}

func nothing(string) (string, error) { return "", nil }

func TestEveryImageThatIsBuiltIsRunByAWorkload(t *testing.T) {
	everyChoice(t, func(t *testing.T, it *Evaluation) {
		objects, err := objectsOf(it.Rendered)
		if err != nil {
			t.Fatal(err)
		}
		var run []string
		for _, object := range objects {
			for _, container := range object.Spec.Template.Spec.Containers {
				run = append(run, container.Image[:strings.LastIndex(container.Image, ":")])
			}
		}
		for _, image := range it.Of("docker_build") {
			if !slices.Contains(run, image.Text("ref")) {
				t.Errorf("%s is built, and must be among what the overlay runs: %v", image.Text("ref"), run)
			}
		}
		if len(it.Of("docker_build")) != 2 {
			t.Errorf("the server and the client must be built, not %d images", len(it.Of("docker_build")))
		}
	})
}

func TestEveryResourceThatIsConfiguredExists(t *testing.T) {
	everyChoice(t, func(t *testing.T, it *Evaluation) {
		objects, err := objectsOf(it.Rendered)
		if err != nil {
			t.Fatal(err)
		}
		taken := map[string]bool{}
		for _, call := range it.Of("k8s_resource") {
			if name := call.Text("workload"); name != "" && !slices.ContainsFunc(objects, func(it object) bool {
				return it.isWorkload() && it.Metadata.Name == name
			}) {
				t.Errorf("k8s_resource names %s, which must be a workload of the overlay", name)
			}
			for _, selector := range call.Texts("objects") {
				matches := 0
				for _, object := range objects {
					if object.matches(selector) {
						matches++
					}
				}
				if matches != 1 || taken[selector] {
					t.Errorf("the selector %s must name one object, once; it matches %d", selector, matches)
				}
				taken[selector] = true
			}
		}
		resources := resourcesOf(it)
		for name, needs := range resources {
			for _, need := range needs {
				if _, found := resources[need]; !found {
					t.Errorf("%s waits for %s, which must be a resource", name, need)
				}
			}
		}
	})
}

func TestProgramsAreCompiledBeforeTheirImagesAreMade(t *testing.T) {
	it := evaluate(t, map[string]string{"build": "host"})
	for _, image := range it.Of("docker_build") {
		if !waitsFor(resourcesOf(it), path.Base(image.Text("ref")), "compile") {
			t.Errorf("%s must wait for compile", image.Text("ref"))
		}
	}
}

func TestDockerCompilesWhereCargoMakesNoProgramsForLinux(t *testing.T) {
	source, err := read(filepath.Join(root, "Tiltfile"))
	if err != nil {
		t.Fatal(err)
	}
	it, err := Evaluate(source, "aarch64-apple-darwin", nil, render)
	if err != nil {
		t.Fatal(err)
	}
	if _, found := resourcesOf(it)["compile"]; found {
		t.Error("cargo of a Mac must not be asked for a program that runs in a container")
	}
	for _, image := range it.Of("docker_build") {
		if image.Text("dockerfile_contents") != "" || image.Text("target") != path.Base(image.Text("ref")) {
			t.Errorf("%s must be built by the Dockerfile's target of that name", image.Text("ref"))
		}
	}
}

func TestWhatTheClusterLacksIsInstalledFirst(t *testing.T) {
	for overlay, need := range map[string]string{"mtls": "cert-manager", "istio": "istio"} {
		resources := resourcesOf(evaluate(t, map[string]string{"overlay": overlay}))
		if !waitsFor(resources, "user-server", need) {
			t.Errorf("in the overlay %s the server must wait for %s: %v", overlay, need, resources)
		}
	}
	for _, need := range []string{"cert-manager", "istio"} {
		if _, found := resourcesOf(evaluate(t, nil))[need]; found {
			t.Errorf("the plain overlay must not install %s", need)
		}
	}
}

func TestAnImageOfTheLoopStartsAsTheRealOneDoes(t *testing.T) {
	dockerfile, err := read(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range evaluate(t, nil).Of("docker_build") {
		for _, line := range strings.Split(image.Text("dockerfile_contents"), "\n") {
			if (strings.HasPrefix(line, "ENTRYPOINT") || strings.HasPrefix(line, "USER")) && !strings.Contains(dockerfile, line) {
				t.Errorf("%s has %q, which the Dockerfile must have as well", image.Text("ref"), line)
			}
		}
	}
}

func TestOnlyKindClustersAreDeployedTo(t *testing.T) {
	for _, call := range evaluate(t, nil).Of("allow_k8s_contexts") {
		for _, context := range call.Texts("contexts") {
			if !strings.HasPrefix(context, "kind-") {
				t.Errorf("%s must not be allowed: it is not a kind cluster", context)
			}
		}
	}
}

func TestPortsAreForwardedOnce(t *testing.T) {
	everyChoice(t, func(t *testing.T, it *Evaluation) {
		seen := map[string]bool{}
		for _, call := range it.Of("port_forward") {
			port := call.Arguments["local_port"].String()
			if seen[port] {
				t.Errorf("port %s must be forwarded once", port)
			}
			seen[port] = true
		}
		if !seen["50051"] || !seen["9090"] {
			t.Errorf("gRPC and ops must be forwarded, not only %v", seen)
		}
	})
}

func TestButtonsWaitToBePressed(t *testing.T) {
	it := evaluate(t, nil)
	buttons := 0
	for _, call := range it.Of("local_resource") {
		if slices.Contains(call.Texts("labels"), "buttons") {
			buttons++
			if call.Arguments["auto_init"] != starlark.False || call.Text("trigger_mode") != "manual" {
				t.Errorf("%s must run only when it is asked for", call.Text("name"))
			}
		}
	}
	if buttons < 2 {
		t.Errorf("there must be buttons for the load and for the e2e, not %d", buttons)
	}
}

func TestCommandsAreWhatAShellUnderstands(t *testing.T) {
	everyChoice(t, func(t *testing.T, it *Evaluation) {
		for _, call := range it.Of("local_resource") {
			script, ok := call.Arguments["cmd"].(starlark.String)
			if !ok {
				continue
			}
			if output, err := exec.Command("sh", "-n", "-c", string(script)).CombinedOutput(); err != nil {
				t.Errorf("the command of %s: %v: %s", call.Text("name"), err, output)
			}
		}
	})
}

func TestAWrongChoiceIsRefusedWithTheRightOnes(t *testing.T) {
	for _, flags := range []map[string]string{{"overlay": "prod"}, {"build": "bazel"}} {
		for name, value := range flags {
			_, err := tryEvaluate(t, flags)
			if err == nil || !strings.Contains(err.Error(), "--"+name+"="+value+": expected one of ") {
				t.Errorf("--%s=%s must be refused and tell what is expected: %v", name, value, err)
			}
		}
	}
	if _, err := tryEvaluate(t, map[string]string{"overlya": "plain"}); err == nil {
		t.Error("a flag that is not defined must be refused")
	}
}

func TestTheStubsRefuseWhatTiltRefuses(t *testing.T) {
	for name, source := range map[string]string{
		"a function that Tilt has not":    `k8s_resources("a")`,
		"an argument that Tilt has not":   `local_resource("a", cmd="true", needs=["b"])`,
		"an argument that is missing":     `docker_build("a")`,
		"an argument of another type":     `port_forward("50051")`,
		"a list of something else":        `local_resource("a", cmd=["cargo", 1])`,
		"a member that a module has not":  `shlex.split("a")`,
		"a name that is not Starlark":     `import os`,
		"an argument that is given twice": `local_resource("a", cmd="true", cmd="false")`,
		"a resource that is made twice":   "local_resource('a', cmd='true')\nlocal_resource('a', cmd='true')",
		"an image that is made twice":     "docker_build('a', '.')\ndocker_build('a', '.')",
	} {
		if _, err := Evaluate(source, machine, nil, nothing); err == nil {
			t.Errorf("%s must be refused: %s", name, source)
		}
	}
	if _, err := Evaluate(`local_resource("a", cmd=["true"], labels=["b"])`, machine, nil, nothing); err != nil {
		t.Errorf("what Tilt accepts must be accepted: %v", err)
	}
}

// resourcesOf are the resources by name, each with what it waits for.
func resourcesOf(it *Evaluation) map[string][]string {
	resources := map[string][]string{}
	for _, call := range it.Calls {
		switch call.Function {
		case "local_resource":
			resources[call.Text("name")] = call.Texts("resource_deps")
		case "k8s_resource":
			name := call.Text("new_name")
			if name == "" {
				name = call.Text("workload")
			}
			resources[name] = call.Texts("resource_deps")
		}
	}
	return resources
}

func waitsFor(resources map[string][]string, name, need string) bool {
	return slices.ContainsFunc(resources[name], func(dep string) bool {
		return dep == need || waitsFor(resources, dep, need)
	})
}
