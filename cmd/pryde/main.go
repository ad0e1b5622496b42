// Command pryde is the server. Without a subcommand it serves; "pryde config" shows the
// configuration that is in force, "pryde admin" changes accounts.
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
`

// run is the program without the process around it. It returns the exit code.
func run(args []string, vars map[string]string, stdout, stderr io.Writer) int {
	var err error
	switch {
	case len(args) == 0:
		err = serve(vars, stderr)
	case args[0] == "config":
		err = config(args[1:], vars, stdout, stderr)
	case len(args) == 3 && args[0] == "admin" && args[1] == "verify-email":
		err = verifyEmail(args[2], vars)
	default:
		fmt.Fprint(stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintf(stderr, "pryde: %s\n", strings.ReplaceAll(err.Error(), "\n", "\npryde: "))
		return 1
	}
	return 0
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
	defer heap.Keep(heap.Enough)()
	return app.Run(ctx, c, log, func(addr net.Addr) {
		log.Info("listening", "address", addr.String(), "data", c.Kept(), "env", string(c.Env))
	})
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

func verifyEmail(username string, vars map[string]string) error {
	c, err := app.LoadConfig(vars)
	if err != nil {
		return err
	}
	return app.VerifyEmail(context.Background(), c, username)
}

func environment() map[string]string {
	vars := make(map[string]string)
	for _, v := range os.Environ() {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	return vars
}
