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

// arriveTimeout is how long everything that was sent may take to arrive.
const arriveTimeout = 30 * time.Second

// A room is many sockets that hear what one other socket sends.
type room struct {
	*served
	sender *load.Conn
	size   int

	inFlight int // broadcasts; the next one leaves when the oldest has arrived everywhere. 0: when told to
	sent     int // broadcasts
	heard    int // deliveries
	due      []time.Time
	took     sample.Set
	counted  bool // deliveries go into took
	wrong    error
	buf      []byte
}

// enter starts a server and lets so many sockets join a room. The caller closes it.
func (b *bench) enter(ctx context.Context, s *system, size int) (*room, error) {
	server, err := b.start(ctx, s, 1, false)
	if err != nil {
		return nil, err
	}
	r := &room{served: server, size: size}
	if err := r.fill(ctx); err != nil {
		server.close()
		return nil, err
	}
	return r, nil
}

func (r *room) fill(ctx context.Context) error {
	conns, err := r.wave(ctx, r.size+1)
	if err != nil {
		return err
	}
	joined := 0
	r.OnPacket = func(_ *load.Conn, packet []byte) {
		if bytes.HasPrefix(packet, []byte("30[")) {
			joined++
		}
	}
	r.sender = conns[0]
	for _, c := range conns[1:] {
		r.Send(c, []byte(`20["join","room"]`))
	}
	if err := r.While(ctx, time.Now().Add(arriveTimeout), func() bool { return joined < r.size }); err != nil {
		return err
	}
	if joined < r.size {
		return fmt.Errorf("%d of %d sockets could join", joined, r.size)
	}
	r.OnPacket = r.hear
	return nil
}

// broadcast sends one message to everybody, which was due at some time.
func (r *room) broadcast(due time.Time) {
	r.buf = strconv.AppendInt(append(r.buf[:0], `2["bcast","room",`...), int64(r.sent), 10)
	r.buf = append(r.buf, `,`+argument+`]`...)
	r.due = append(r.due, due)
	r.sent++
	r.Send(r.sender, r.buf)
}

var message = []byte(`2["msg",`)

// hear takes one delivery.
func (r *room) hear(_ *load.Conn, packet []byte) {
	n := 0
	rest, ok := bytes.CutPrefix(packet, message)
	for ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
		n, rest = n*10+int(rest[0]-'0'), rest[1:]
	}
	if !ok || n >= r.sent || !bytes.HasPrefix(rest, []byte(`,{"content":`)) {
		r.wrong = fmt.Errorf("a socket in the room was sent %.100q", packet)
		return
	}
	r.heard++
	if r.counted {
		r.took.Add(time.Since(r.due[n]))
	}
	for r.inFlight > 0 && r.sent*r.size-r.heard <= (r.inFlight-1)*r.size {
		r.broadcast(time.Time{})
	}
}

// arrived waits until everything that was sent has arrived.
func (r *room) arrived(ctx context.Context) error {
	r.inFlight = 0
	err := r.While(ctx, time.Now().Add(arriveTimeout), func() bool { return r.wrong == nil && r.heard < r.sent*r.size })
	if err := errors.Join(err, r.wrong); err != nil {
		return err
	}
	if missing := r.sent*r.size - r.heard; missing != 0 {
		return fmt.Errorf("%d of %d deliveries have not arrived within %s", missing, r.sent*r.size, arriveTimeout)
	}
	return nil
}

// A usage is what a server did with its processor.
type usage struct {
	deliveries float64
	processor  time.Duration
	wall       time.Duration
	client     float64 // share of a processor that the client used
}

// measure runs a load and tells what happened meanwhile.
func (r *room) measure(load func() error) (usage, error) {
	use, err := r.startUse()
	if err != nil {
		return usage{}, err
	}
	begun, heard := time.Now(), r.heard
	if err := load(); err != nil {
		return usage{}, err
	}
	u := usage{deliveries: float64(r.heard - heard), wall: time.Since(begun)}
	u.processor, u.client, err = use.stop()
	if err == nil && (u.deliveries == 0 || u.processor == 0) {
		err = fmt.Errorf("%.0f deliveries took the server %s; the window is too short", u.deliveries, u.processor)
	}
	return u, err
}

// flatOut measures how many deliveries to a room a server makes that always has some to make.
func (b *bench) flatOut(ctx context.Context, s *system) (map[string]float64, error) {
	r, err := b.enter(ctx, s, b.room)
	if err != nil {
		return nil, err
	}
	defer r.close()
	r.inFlight = b.inFlight
	for range b.inFlight {
		r.broadcast(time.Time{})
	}
	if err := r.Until(ctx, time.Now().Add(b.warmUp)); err != nil {
		return nil, err
	}
	u, err := r.measure(func() error { return r.Until(ctx, time.Now().Add(b.window)) })
	if err := errors.Join(err, r.arrived(ctx)); err != nil {
		return nil, err
	}
	return map[string]float64{
		"room.perCPU": u.deliveries / u.processor.Seconds(),
		"room.rate":   u.deliveries / u.wall.Seconds(),
		"room.client": u.client,
	}, nil
}

// paced measures what deliveries cost, and how late they are, at a rate that every server
// should bear.
func (b *bench) paced(ctx context.Context, s *system) (map[string]float64, error) {
	figures := make(map[string]float64)
	var failed []error
	for _, room := range []struct {
		key  string
		size int
	}{{"paced", b.room}, {"pacedLarge", b.largeRoom}} {
		if err := b.pace(ctx, s, room.key, room.size, figures); err != nil {
			failed = append(failed, fmt.Errorf("room of %d: %w", room.size, err))
		}
	}
	return figures, errors.Join(failed...)
}

func (b *bench) pace(ctx context.Context, s *system, key string, size int, figures map[string]float64) error {
	r, err := b.enter(ctx, s, size)
	if err != nil {
		return err
	}
	defer r.close()
	if err := errors.Join(r.beat(ctx, b.broadcastsPerSecond, b.warmUp), r.arrived(ctx)); err != nil {
		return err
	}
	r.counted = true
	u, err := r.measure(func() error {
		// Twice as long as under full load: the processor time of the server is told in
		// hundredths of a second, and it is idle most of the time.
		return errors.Join(r.beat(ctx, b.broadcastsPerSecond, 2*b.window), r.arrived(ctx))
	})
	if err != nil {
		return err
	}
	figures[key+".cpu"] = micros(u.processor) / u.deliveries
	figures[key+".p50"] = millis(r.took.Quantile(0.5))
	figures[key+".p99"] = millis(r.took.Quantile(0.99))
	return nil
}

// beat sends so many broadcasts a second, each when it is due, which is when its latency
// begins, too.
func (r *room) beat(ctx context.Context, perSecond int, d time.Duration) error {
	begun := time.Now()
	for i := range int(d.Seconds() * float64(perSecond)) {
		due := begun.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		if err := errors.Join(r.Until(ctx, due), r.wrong); err != nil {
			return err
		}
		r.broadcast(due)
	}
	return nil
}
