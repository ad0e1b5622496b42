package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"pryde/bench/engine-figures/load"
	"pryde/bench/sample"
)

// argument is what is echoed and broadcast, about as long as a short message.
const argument = `{"content":"hello there, hello there, hello there","n":1}`

var echoCounts = []int{1, 100, 1_000}

// echoes measures round trips, one in flight on each connection.
func (b *bench) echoes(ctx context.Context, s *system) (map[string]float64, error) {
	figures := make(map[string]float64)
	for _, n := range echoCounts {
		if err := b.echo(ctx, s, n, figures); err != nil {
			return figures, fmt.Errorf("at %d connections: %w", n, err)
		}
	}
	return figures, nil
}

func (b *bench) echo(ctx context.Context, s *system, n int, figures map[string]float64) error {
	server, err := b.start(ctx, s, 1, false)
	if err != nil {
		return err
	}
	defer server.close()
	conns, err := server.wave(ctx, n)
	if err != nil {
		return err
	}
	e := newEchoers(server.Loop, conns)
	if err := server.Until(ctx, time.Now().Add(b.warmUp)); err != nil {
		return err
	}
	e.took = sample.Set{}
	use, err := server.startUse()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := errors.Join(server.Until(ctx, begun.Add(b.window)), e.wrong); err != nil {
		return err
	}
	wall := time.Since(begun)
	processor, client, err := use.stop()
	if err != nil {
		return err
	}
	trips := float64(e.took.Len())
	if trips == 0 {
		return errors.New("not one round trip")
	}
	key := fmt.Sprintf("echo%d.", n)
	figures[key+"rate"] = trips / wall.Seconds()
	figures[key+"cpu"] = micros(processor) / trips
	figures[key+"client"] = client
	figures[key+"p50"] = millis(e.took.Quantile(0.5))
	figures[key+"p99"] = millis(e.took.Quantile(0.99))
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// echoers send again as soon as they are answered.
type echoers struct {
	loop  *load.Loop
	next  []uint64 // ack id of what is in flight, by connection
	sent  []time.Time
	took  sample.Set
	wrong error // the first answer that was not the right one
	buf   []byte
}

// newEchoers begins with one event on each connection.
func newEchoers(l *load.Loop, conns []*load.Conn) *echoers {
	e := &echoers{loop: l, next: make([]uint64, len(conns)), sent: make([]time.Time, len(conns))}
	l.OnPacket = e.answered
	for i, c := range conns {
		c.Tag = i
		e.send(c)
	}
	return e
}

func (e *echoers) send(c *load.Conn) {
	e.buf = strconv.AppendUint(append(e.buf[:0], '2'), e.next[c.Tag], 10)
	e.buf = append(e.buf, `["echo",`+argument+`]`...)
	e.sent[c.Tag] = time.Now()
	e.loop.Send(c, e.buf)
}

func (e *echoers) answered(c *load.Conn, packet []byte) {
	now := time.Now()
	e.buf = strconv.AppendUint(append(e.buf[:0], '3'), e.next[c.Tag], 10)
	e.buf = append(e.buf, `[`+argument+`]`...)
	if !bytes.Equal(packet, e.buf) {
		e.wrong = fmt.Errorf("an echo was answered %.100q, want %.100q", packet, e.buf)
		return
	}
	e.took.Add(now.Sub(e.sent[c.Tag]))
	e.next[c.Tag]++
	e.send(c)
}
