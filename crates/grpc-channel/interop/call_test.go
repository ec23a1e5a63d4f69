package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestCallSpreadsOverAllServersAndCountsFailures(t *testing.T) {
	var addresses []string
	for range 3 {
		addresses = append(addresses, start(t).address)
	}
	target := "-target=ipv4:" + strings.Join(addresses, ",")
	var output bytes.Buffer
	if err := run([]string{"call", target, "-calls=300", "-workers=10", "-replicas=3"}, nil, &output, io.Discard); err != nil {
		t.Fatal(err)
	}
	var good tally
	if err := json.Unmarshal(output.Bytes(), &good); err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if good.ServedBy[address] != 100 {
			t.Errorf("each server must answer 100 of 300 calls: %v", good.ServedBy)
		}
	}

	output.Reset()
	if err := run([]string{"call", target, "-method=/x.Y/Z", "-calls=5"}, nil, &output, io.Discard); err == nil {
		t.Error("failed calls make the command fail")
	}
	var bad tally
	if err := json.Unmarshal(output.Bytes(), &bad); err != nil || bad.Failures["UNIMPLEMENTED"] != 5 {
		t.Errorf("expected 5 UNIMPLEMENTED, got %s, %v", output.String(), err)
	}
}

func TestABadCommandLineIsAUsageError(t *testing.T) {
	for _, args := range [][]string{
		nil, {"bogus"}, {"serve", "-bogus"}, {"serve", "-refuse=NO"}, {"serve", "more"}, {"call"},
		{"call", "-target=ipv4:127.0.0.1:1", "-request=xyz"}, {"call", "-target=ipv4:127.0.0.1:1", "-calls=0"},
	} {
		err := run(args, strings.NewReader(""), io.Discard, io.Discard)
		if exitCode(err, io.Discard) != exitUsage {
			t.Errorf("%q must end with %d, not %v", args, exitUsage, err)
		}
	}
}
