package tiltfile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.starlark.net/starlark"
	"gopkg.in/yaml.v3"
)

// decodeStream is `decode_yaml_stream`: the documents of a YAML stream, as Starlark's values.
func decodeStream(stream string) (starlark.Value, error) {
	decoder := yaml.NewDecoder(strings.NewReader(stream))
	var documents []starlark.Value
	for {
		var document any
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return starlark.NewList(documents), nil
		case err != nil:
			return nil, err
		}
		value, err := toStarlark(document)
		if err != nil {
			return nil, err
		}
		documents = append(documents, value)
	}
}

func toStarlark(value any) (starlark.Value, error) {
	switch value := value.(type) {
	case nil:
		return starlark.None, nil
	case string:
		return starlark.String(value), nil
	case bool:
		return starlark.Bool(value), nil
	case int:
		return starlark.MakeInt(value), nil
	case float64:
		return starlark.Float(value), nil
	case []any:
		list := starlark.NewList(nil)
		for _, item := range value {
			converted, err := toStarlark(item)
			if err != nil {
				return nil, err
			}
			if err := list.Append(converted); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		dict := starlark.NewDict(len(value))
		for key, item := range value {
			converted, err := toStarlark(item)
			if err != nil {
				return nil, err
			}
			if err := dict.SetKey(starlark.String(key), converted); err != nil {
				return nil, err
			}
		}
		return dict, nil
	default:
		return nil, fmt.Errorf("YAML of the type %T", value)
	}
}

// An object of the rendered manifests, as far as Tilt looks at it.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		Template struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
	}
}

func objectsOf(stream string) ([]object, error) {
	decoder := yaml.NewDecoder(strings.NewReader(stream))
	var objects []object
	for {
		// Fields of one name are not of one type in all kinds: what does not fit is not a workload.
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		var it object
		if err := document.Decode(&it); err != nil && it.Metadata.Name == "" {
			return nil, err
		}
		objects = append(objects, it)
	}
}

func (it object) isWorkload() bool {
	switch it.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod":
		return true
	}
	return false
}

// matches is Tilt's object selector, `name:kind:namespace`, of which the end may be left out.
func (it object) matches(selector string) bool {
	parts := strings.Split(selector, ":")
	fields := []string{it.Metadata.Name, it.Kind, it.Metadata.Namespace}
	for i, part := range parts {
		if i >= len(fields) || !strings.EqualFold(part, fields[i]) {
			return false
		}
	}
	return true
}
