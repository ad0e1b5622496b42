package main

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sys/unix"
)

// A spending is processor time: of MongoDB, of the server before it, and of this program.
type spending struct{ mongo, server, client time.Duration }

// add counts what was used between two looks.
func (s *spending) add(before, after spending) {
	s.mongo += after.mongo - before.mongo
	s.server += after.server - before.server
	s.client += after.client - before.client
}

// spent is what has been used so far.
func (b *bench) spent(ctx context.Context, c *contender) (s spending, err error) {
	if c.server != nil {
		if s.server, err = c.server(ctx); err != nil {
			return s, err
		}
	}
	if s.mongo, err = b.mongo.processor(ctx); err != nil {
		return s, err
	}
	var mine unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &mine); err != nil {
		return s, fmt.Errorf("processor time: %w", err)
	}
	s.client = time.Duration(mine.Utime.Nano() + mine.Stime.Nano())
	return s, nil
}

// processor returns the processor time that MongoDB has used.
func (m *mongoServer) processor(ctx context.Context) (time.Duration, error) {
	var status struct {
		Process struct {
			User   int64 `bson:"user_time_us"`
			System int64 `bson:"system_time_us"`
		} `bson:"extra_info"`
	}
	err := m.client.Database("admin").RunCommand(ctx, bson.D{{Key: "serverStatus", Value: 1}}).Decode(&status)
	return time.Duration(status.Process.User+status.Process.System) * time.Microsecond, err
}
