package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A polling is what a connection on HTTP long-polling has beside the others: requests follow
// each other on one connection, so that what is to be sent waits for the answer to a poll.
type polling struct {
	session string
	posting bool   // the answer that is due is the one to a request with packets
	queued  []byte // packets that are to be sent
}

// separator stands between packets of one body.
const separator = 0x1e

// push queues a packet.
func (p *polling) push(kind byte, payload []byte) {
	if len(p.queued) > 0 {
		p.queued = append(p.queued, separator)
	}
	p.queued = append(append(p.queued, kind), payload...)
}

// request sends what is queued, or polls where nothing is.
func (l *Loop) request(c *Conn) {
	p := c.polling
	path := "/socket.io/?EIO=4&transport=polling"
	if p.session != "" {
		path += "&sid=" + p.session
	}
	head := " " + path + " HTTP/1.1\r\nHost: " + l.target.Address.String() + "\r\n"
	if p.posting = len(p.queued) > 0; !p.posting {
		l.write(c, []byte("GET"+head+"\r\n"))
		return
	}
	body := p.queued
	p.queued = nil
	l.write(c, append([]byte("POST"+head+"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"), body...))
}

// responses handles every response that has come in full and returns the rest.
func (l *Loop) responses(c *Conn, b []byte) ([]byte, error) {
	for c.state != stateGone {
		body, rest, ok, err := cutResponse(b)
		if err != nil || !ok {
			return b, err
		}
		if err := l.response(c, body); err != nil {
			return nil, err
		}
		b = rest
	}
	return nil, nil
}

func (l *Loop) response(c *Conn, body []byte) error {
	if !c.polling.posting {
		for packet := range bytes.SplitSeq(body, []byte{separator}) {
			if len(packet) == 0 {
				return errors.New("an empty packet")
			}
			if err := l.packet(c, packet[0], packet[1:]); err != nil {
				return err
			}
		}
	}
	if c.state != stateGone {
		l.request(c)
	}
	return nil
}

// cutResponse cuts the first response off b. ok is false where it has not come in full.
func cutResponse(b []byte) (body, rest []byte, ok bool, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, b, false, nil
	}
	lines := strings.Split(string(b[:end]), "\r\n")
	if !strings.HasPrefix(lines[0], "HTTP/1.1 200 ") {
		return nil, nil, false, fmt.Errorf("a request was answered %.60q", lines[0])
	}
	length := -1
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				length = -1
			}
		}
	}
	if length < 0 || length > maxFrame {
		return nil, nil, false, errors.New("a response of no length, or of a large one")
	}
	content := b[end+4:]
	if len(content) < length {
		return nil, b, false, nil
	}
	return content[:length], content[length:], true, nil
}
