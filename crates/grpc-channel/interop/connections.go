package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// lines prints whole lines, from any goroutine.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) print(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.to, format+"\n", args...)
}

// reportingListener prints what happens to its connections, numbered from 1:
//
//	connection 1 opened
//	connection 1 ping 250113
//	connection 1 closed
//
// The number behind a ping is when it was received, in microseconds since the connection opened. It
// is taken before the server can answer, so two pings of a client that waits for the first one's
// answer are at least as far apart as the client says.
type reportingListener struct {
	net.Listener
	lines *lines
	count atomic.Int64
}

type reportedConn struct {
	net.Conn
	lines  *lines
	number int64
	opened time.Time
	pings  pingScanner
	closed sync.Once
}

// Accept implements [net.Listener].
func (l *reportingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	number := l.count.Add(1)
	l.lines.print("connection %d opened", number)
	return &reportedConn{
		Conn:   conn,
		lines:  l.lines,
		number: number,
		opened: time.Now(),
		pings:  newPingScanner(),
	}, nil
}

// Read implements [net.Conn].
func (c *reportedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for range c.pings.scan(p[:n]) {
		c.lines.print("connection %d ping %d", c.number, time.Since(c.opened).Microseconds())
	}
	return n, err
}

// Close implements [net.Conn].
func (c *reportedConn) Close() error {
	c.closed.Do(func() { c.lines.print("connection %d closed", c.number) })
	return c.Conn.Close()
}
