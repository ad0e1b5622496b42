package peer

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPeersDoTheSame(t *testing.T) {
	for _, name := range []string{"engine", "zishang"} {
		t.Run(name, func(t *testing.T) {
			program, err := Build(t.Context(), name, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			p, err := Start(t.Context(), program, 1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Stop)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()

			c, err := Dial(ctx, p.Address, Token)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 3 {
				if err := c.Echo(); err != nil {
					t.Error(err)
				}
			}
			if _, err := Dial(ctx, p.Address, "wrong"); !errors.Is(err, ErrRefused) {
				t.Errorf("a wrong token is answered %v, want a refusal", err)
			}
			if n, err := p.Resident(); err != nil || n < 1<<20 {
				t.Errorf("%d bytes are resident (%v), want megabytes", n, err)
			}
			if _, err := p.Processor(); err != nil {
				t.Error(err)
			}
		})
	}
}
