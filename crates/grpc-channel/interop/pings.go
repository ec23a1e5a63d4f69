package main

// What RFC 9113 says of the bytes that a client sends: a preface, and then frames.
const (
	prefaceLen     = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frameHeaderLen = 9
	framePing      = 0x6
	flagAck        = 0x1
)

// pingScanner finds the PING frames in what an HTTP/2 client sends, however it is cut into pieces.
// grpc-go has no hook that tells about pings.
type pingScanner struct {
	// skip is how many bytes are of no interest: the preface, or the rest of a frame's payload.
	skip int
	// header is what has arrived of a frame's header.
	header []byte
}

func newPingScanner() pingScanner {
	return pingScanner{skip: prefaceLen, header: make([]byte, 0, frameHeaderLen)}
}

// scan returns how many PING frames without ACK begin in data.
func (s *pingScanner) scan(data []byte) (pings int) {
	for {
		skipped := min(s.skip, len(data))
		s.skip -= skipped
		data = data[skipped:]
		taken := min(frameHeaderLen-len(s.header), len(data))
		s.header = append(s.header, data[:taken]...)
		data = data[taken:]
		if len(s.header) < frameHeaderLen {
			return pings
		}
		length, kind, flags := s.header[:3], s.header[3], s.header[4]
		if kind == framePing && flags&flagAck == 0 {
			pings++
		}
		s.skip = int(length[0])<<16 | int(length[1])<<8 | int(length[2])
		s.header = s.header[:0]
	}
}
