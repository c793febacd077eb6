// Package systemd tells the service manager that started this process how it
// does, by the protocol of sd_notify(3). That is a datagram of lines; the
// library for it brings D-Bus along, so these few lines are our own.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// States that a [Manager] is told of.
const (
	Ready    = "READY=1"    // the start is over
	Stopping = "STOPPING=1" // the end has begun
	Alive    = "WATCHDOG=1" // see [Manager.Patience]
)

// Status is the state that says in one line, to a person, how the process does.
func Status(text string) string { return "STATUS=" + strings.Join(strings.Fields(text), " ") }

// A Manager is a service manager that listens.
type Manager struct {
	socket   *net.UnixAddr
	patience time.Duration
}

// FromEnvironment gives the manager that the environment tells of: NOTIFY_SOCKET,
// a path or, with an @ in front, an abstract name, and WATCHDOG_USEC. It is nil
// if there is none.
func FromEnvironment() (*Manager, error) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil, nil
	}
	m := &Manager{socket: &net.UnixAddr{Name: name, Net: "unixgram"}}
	if name[0] != '/' && name[0] != '@' {
		return nil, fmt.Errorf("systemd: NOTIFY_SOCKET is %q, neither a path nor an abstract name", name)
	}
	text := os.Getenv("WATCHDOG_USEC")
	if text == "" || !forUs(os.Getenv("WATCHDOG_PID")) {
		return m, nil
	}
	const most = uint64(1<<63-1) / uint64(time.Microsecond)
	microseconds, err := strconv.ParseUint(text, 10, 64)
	if err != nil || microseconds == 0 || microseconds > most {
		return nil, fmt.Errorf("systemd: WATCHDOG_USEC is %q, no number of microseconds", text)
	}
	m.patience = time.Duration(microseconds) * time.Microsecond
	return m, nil
}

// forUs reports whether the watchdog waits for this process: WATCHDOG_PID may
// have come down from a parent.
func forUs(id string) bool { return id == "" || id == strconv.Itoa(os.Getpid()) }

// Patience is how long the manager waits for the next [Alive] before it takes
// the process for hung; 0 if it does not.
func (m *Manager) Patience() time.Duration { return m.patience }

// limit is how long a manager that does not read may hold up the process.
const limit = time.Second

// Tell sends states in one datagram.
func (m *Manager) Tell(states ...string) error {
	conn, err := net.DialUnix("unixgram", nil, m.socket)
	if err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("systemd: %w", err)
	}
	return nil
}
