package main

import "testing"

func TestPingsAreFoundHoweverTheBytesAreCut(t *testing.T) {
	frame := func(kind, flags byte, payload int) []byte {
		header := []byte{byte(payload >> 16), byte(payload >> 8), byte(payload), kind, flags, 0, 0, 0, 0}
		return append(header, make([]byte, payload)...)
	}
	sent := make([]byte, prefaceLen)
	sent = append(sent, frame(0x4, 0, 0)...)             // SETTINGS
	sent = append(sent, frame(framePing, 0, 8)...)       // counts
	sent = append(sent, frame(0x0, 0, 70_000)...)        // DATA
	sent = append(sent, frame(framePing, flagAck, 8)...) // an answer
	sent = append(sent, frame(framePing, 0, 8)...)       // counts
	for _, piece := range []int{1, 7, 9, 16, 1 << 20} {
		scanner, pings := newPingScanner(), 0
		for rest := sent; len(rest) > 0; {
			n := min(piece, len(rest))
			pings += scanner.scan(rest[:n])
			rest = rest[n:]
		}
		if pings != 2 {
			t.Errorf("expected 2 pings in pieces of %d bytes, got %d", piece, pings)
		}
	}
}
