// Command pryde is the server. Without a subcommand it serves; "pryde config" shows the
// configuration that is in force, "pryde admin" changes accounts, "pryde keys" looks after the keys,
// "pryde user" erases and exports people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"pryde/internal/app"
	"pryde/internal/heap"
)

func main() { os.Exit(run(os.Args[1:], environment(), os.Stdout, os.Stderr)) }

const usage = `usage: pryde            serve
       pryde config     show the configuration in force, without secrets
       pryde config -docs   write docs/configuration.md
       pryde admin verify-email USERNAME   let an account write whose e-mail address you have verified
       pryde keys add       make a new master key, and say what to do with it
       pryde keys rotate    wrap all data keys with the newest master key
       pryde keys rotate --user USERNAME   give a person a new data key, whose old one has leaked
       pryde keys status    show what wraps what, and what waits; no key is shown
       pryde user erase USERNAME           erase a person: what they wrote cannot be read any more
       pryde user export USERNAME FOLDER   write everything of a person into a new folder
`

// A command is what one line of the usage does.
type command struct {
	words string // the arguments; those in capitals stand for any
	run   func(ctx context.Context, c app.Config, args []string, stdout io.Writer) error
}

var commands = []command{
	{"admin verify-email USERNAME", func(ctx context.Context, c app.Config, args []string, _ io.Writer) error {
		return app.VerifyEmail(ctx, c, args[0])
	}},
	{"keys add", func(_ context.Context, c app.Config, _ []string, stdout io.Writer) error {
		return app.AddKey(c, stdout)
	}},
	{"keys status", func(ctx context.Context, c app.Config, _ []string, stdout io.Writer) error {
		return app.WriteKeyStatus(ctx, c, stdout)
	}},
	{"keys rotate", func(ctx context.Context, c app.Config, _ []string, stdout io.Writer) error {
		return told(stdout)(app.RotateKeys(ctx, c))
	}},
	{"keys rotate --user USERNAME", func(ctx context.Context, c app.Config, args []string, stdout io.Writer) error {
		return told(stdout)(app.ReplaceKey(ctx, c, args[0]))
	}},
	{"user erase USERNAME", func(ctx context.Context, c app.Config, args []string, stdout io.Writer) error {
		return told(stdout)(app.Erase(ctx, c, args[0]))
	}},
	{"user export USERNAME FOLDER", func(ctx context.Context, c app.Config, args []string, _ io.Writer) error {
		return app.Export(ctx, c, args[0], args[1])
	}},
}

// told writes what came of an order.
func told(stdout io.Writer) func(says string, err error) error {
	return func(says string, err error) error {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, says)
		return err
	}
}

// match returns what the arguments have in the places of the words in capitals.
func (c command) match(args []string) (given []string, ok bool) {
	words := strings.Fields(c.words)
	if len(words) != len(args) {
		return nil, false
	}
	for i, w := range words {
		switch {
		case w == strings.ToUpper(w) && args[i] != "" && !strings.HasPrefix(args[i], "-"):
			given = append(given, args[i])
		case w != args[i]:
			return nil, false
		}
	}
	return given, true
}

// run is the program without the process around it. It returns the exit code.
func run(args []string, vars map[string]string, stdout, stderr io.Writer) int {
	err := errUsage
	switch {
	case len(args) == 0:
		err = serve(vars, stderr)
	case args[0] == "config":
		err = config(args[1:], vars, stdout, stderr)
	default:
		for _, c := range commands {
			if given, ok := c.match(args); ok {
				err = c.carryOut(vars, given, stdout)
			}
		}
	}
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(stderr, usage)
		return 2
	case err != nil:
		fmt.Fprintf(stderr, "pryde: %s\n", strings.ReplaceAll(err.Error(), "\n", "\npryde: "))
		return 1
	}
	return 0
}

// errUsage says that the arguments are none of the usage.
var errUsage = errors.New("unknown arguments")

func (c command) carryOut(vars map[string]string, given []string, stdout io.Writer) error {
	config, err := app.LoadConfig(vars)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.run(ctx, config, given, stdout)
}

func serve(vars map[string]string, stderr io.Writer) error {
	c, err := app.LoadConfig(vars)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log := app.NewLogger(c, stderr)
	if vars["GOMAXPROCS"] == "" {
		// One more than there are: hashing a password keeps one busy for some 20 ms, and what
		// sockets wait for shall not wait behind it.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	defer keepHeap(vars)()
	return app.Run(ctx, c, log, func(addr net.Addr) {
		log.Info("listening", "address", addr.String(), "data", c.Kept(), "env", string(c.Env))
	})
}

// keepHeap has a small heap collected rarely, unless the operator has said when to collect.
func keepHeap(vars map[string]string) (stop func()) {
	if vars["GOGC"] != "" {
		return func() {}
	}
	return heap.Keep(heap.Enough)
}

func config(args []string, vars map[string]string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("pryde config", flag.ContinueOnError)
	flags.SetOutput(stderr)
	docs := flags.Bool("docs", false, "write the table of all variables instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *docs {
		return app.WriteConfigDocs(stdout)
	}
	c, err := app.LoadConfig(vars)
	return errors.Join(err, c.WriteConfig(stdout))
}

func environment() map[string]string {
	vars := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return vars
}
