// Command engine-figures compares the engine with the reference implementation on Node and
// with a Go library: servers as processes on one processor, one load client on another, over
// loopback, in turns. It measures the memory of idle connections, broadcasts to large rooms,
// round trips and connects, and holds the medians to the goals that the engine has.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := pin(); err != nil {
		fmt.Fprintln(os.Stderr, "engine-figures:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// pinned is set in the environment of the program that runs where it should.
const pinned = "ENGINE_FIGURES_PINNED"

// pin starts this program again on the client's processor. Where there is no taskset, or only
// one processor, it runs where it is. Go believes that there are two: with one it would take the
// processor away from the loop whenever a call of the system lasts, and look for that every 20 µs.
func pin() error {
	if os.Getenv(pinned) != "" {
		return nil
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	argv := append([]string{"taskset", "-c", clientCPU, self}, os.Args[1:]...)
	env := append(os.Environ(), "GOMAXPROCS=2", pinned+"=1")
	return fmt.Errorf("start again: %w", syscall.Exec(taskset, argv, env))
}

// run is the program without the process around it. It returns the exit code: 0 where
// everything was measured, goals met or not; 1 where something failed.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "engine-figures:", err)
		return 2
	}
	b := &bench{config: c, progress: stderr, results: results{}}
	err = b.all(ctx)
	r := b.report(ctx, err)
	fmt.Fprint(stdout, r.markdown(), "\n", r.summary())
	if c.out != "" {
		err = errors.Join(err, r.write(c.out))
	}
	if c.markdown != "" {
		err = errors.Join(err, os.WriteFile(c.markdown, []byte(r.markdown()), 0o644))
	}
	if err != nil {
		fmt.Fprintln(stderr, "engine-figures:", err)
		return 1
	}
	return 0
}

// A config says what is measured, how long and how often.
type config struct {
	out, markdown, binary, dir string
	only, systems              []string

	rounds, idleRounds  int
	idle, libraryIdle   int // connections
	pollingIdle         int
	settle              time.Duration
	waves               int
	warmUp, window      time.Duration // of each measurement under load; the first is not counted
	connects            int           // in all rounds together
	room, largeRoom     int           // sockets
	broadcastsPerSecond int
	inFlight            int // broadcasts, flat out
}

// short is what the flag of that name means, for trying.
var short = map[string]string{
	"rounds": "1", "idle-rounds": "1", "idle": "500", "library-idle": "200", "polling-idle": "200", "settle": "2s", "waves": "2",
	"warm-up": "300ms", "window": "1s", "connects": "1000",
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	var only, systems string
	f := flag.NewFlagSet("engine-figures", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.out, "out", "", "write JSON to this `file`")
	f.StringVar(&c.markdown, "markdown", "", "write the tables to this `file`, too")
	f.StringVar(&c.binary, "binary", "../bin/pryde", "the whole product, for the scenario of that name")
	f.StringVar(&c.dir, "dir", "", "`folder` for what is temporary; the system's by default")
	f.StringVar(&only, "only", "", "run these scenarios, by comma, of: "+strings.Join(scenarioNames(), ", "))
	f.StringVar(&systems, "systems", "", "compare these, by comma, of: "+strings.Join(systemNames(), ", "))
	f.IntVar(&c.rounds, "rounds", 5, "rounds; the median of them counts")
	f.IntVar(&c.idleRounds, "idle-rounds", 0, "rounds of the scenarios with idle connections; as many as the others where it is 0")
	f.IntVar(&c.idle, "idle", 10_000, "idle connections")
	f.IntVar(&c.libraryIdle, "library-idle", 2_000, "idle connections to the Go library")
	f.IntVar(&c.pollingIdle, "polling-idle", 2_000, "idle connections on polling")
	f.DurationVar(&c.settle, "settle", 150*time.Second, "from the last connect to the look at the memory")
	f.IntVar(&c.waves, "waves", 10, "how often all idle connections leave and come again")
	f.DurationVar(&c.warmUp, "warm-up", 2*time.Second, "load before each measurement")
	f.DurationVar(&c.window, "window", 5*time.Second, "each measurement under load")
	f.IntVar(&c.connects, "connects", 50_000, "connects in all rounds together, on one processor and again on two")
	f.IntVar(&c.room, "room", 1_000, "sockets in a room")
	f.IntVar(&c.largeRoom, "large-room", 2_000, "sockets in a large room")
	f.IntVar(&c.broadcastsPerSecond, "broadcasts", 20, "broadcasts a second where they are paced")
	f.IntVar(&c.inFlight, "in-flight", 10, "broadcasts in flight where they are flat out")
	f.BoolFunc("short", "one round with small counts, for trying; what follows it counts", func(string) error {
		for name, value := range short {
			if err := f.Set(name, value); err != nil {
				return err
			}
		}
		return nil
	})
	if err := f.Parse(args); err != nil {
		return c, err
	}
	if f.NArg() > 0 {
		return c, errors.New("there are only flags")
	}
	return c, c.complete(only, systems)
}

// complete takes the lists apart and checks the numbers.
func (c *config) complete(only, systems string) error {
	var err1, err2 error
	c.only, err1 = choice("-only", only, scenarioNames())
	c.systems, err2 = choice("-systems", systems, systemNames())
	if c.idleRounds == 0 {
		c.idleRounds = c.rounds
	}
	if min(c.rounds, c.idleRounds, c.idle, c.libraryIdle, c.pollingIdle, c.waves, c.connects, c.room, c.largeRoom, c.broadcastsPerSecond, c.inFlight) < 1 ||
		min(c.settle, c.warmUp, c.window) <= 0 {
		return errors.Join(err1, err2, errors.New("every number and time is above 0"))
	}
	return errors.Join(err1, err2)
}

// choice takes names apart; no names are all of them.
func choice(of, names string, from []string) ([]string, error) {
	if names == "" {
		return from, nil
	}
	chosen := strings.Split(names, ",")
	for _, name := range chosen {
		if !slices.Contains(from, name) {
			return nil, fmt.Errorf("%s: there is no %q, only %s", of, name, strings.Join(from, ", "))
		}
	}
	return chosen, nil
}
