package lane

import (
	"context"
	"strconv"
	"testing"
)

func TestIdleKeysTakeNoMemory(t *testing.T) {
	lanes := New(1)
	for i := range 1000 {
		_ = lanes.Do(t.Context(), strconv.Itoa(i), func(_ context.Context, advance func()) error { advance(); return nil })
	}

	if n := len(lanes.byKey); n != 0 {
		t.Errorf("%d keys are kept, want none", n)
	}
}
