package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"pryde/internal/app"
)

func TestAnAddressIsVerifiedFromTheCommandLine(t *testing.T) {
	vars := map[string]string{"DATA_DIR": t.TempDir()}
	c, err := app.LoadConfig(vars)
	if err != nil {
		t.Fatal(err)
	}
	c.Port = 0 // any that is free
	ctx, stop := context.WithCancel(t.Context())
	if err := app.Run(ctx, c, slog.New(slog.DiscardHandler), func(net.Addr) { stop() }); err != nil {
		t.Fatal(err)
	}

	for _, tt := range []struct {
		args string
		vars map[string]string
		code int
		says string
	}{
		{"admin verify-email ann", vars, 1, `no account with the username "ann"`},
		{"admin verify-email ann", map[string]string{"DATA_DIR": t.TempDir()}, 1, "verify an address: "},
		{"admin verify-email ann", map[string]string{"PORT": "0"}, 1, "PORT: "},
		{"admin verify-email", vars, 2, "usage: "},
		{"admin", vars, 2, "usage: "},
		{"nothing", vars, 2, "admin verify-email USERNAME"},
	} {
		var out, trouble bytes.Buffer
		if code := run(strings.Fields(tt.args), tt.vars, &out, &trouble); code != tt.code || !strings.Contains(trouble.String(), tt.says) || out.Len() > 0 {
			t.Errorf("%s ended with %d and said %q, want %d and %q", tt.args, code, trouble.String(), tt.code, tt.says)
		}
	}
}
