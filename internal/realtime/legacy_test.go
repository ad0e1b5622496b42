package realtime

import (
	"flag"
	"strings"
	"testing"
	"time"

	"pryde/internal/fault"
	"pryde/internal/testkit"
	"pryde/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFormerClientsFindWhatWasRefused holds what acknowledges a refused event, and tells of it
// as message:error, to the golden files.
func TestFormerClientsFindWhatWasRefused(t *testing.T) {
	empty := fault.Invalid("EMPTY_MESSAGE", "Message must have content, attachment, or voice note")
	for _, tt := range []struct {
		name    string
		fault   *fault.Fault
		payload string
	}{
		{"refused", empty, `{"recipientId":"00000000000000000000000b","_tempId":"temp_1"}`},
		{"refused_without_a_name", empty, `{"content":""}`},
		{"refused_for_its_form", errMessageData, `"text"`},
		{"refused_with_a_long_name", empty, `{"_tempId":"` + strings.Repeat("x", maxTempID+1) + `"}`},
		{"limited", fault.RateLimited("RATE_LIMITED", "Rate limit exceeded", time.Second), `{"_tempId":"temp_2"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := wire.Encode(failure(tt.fault, []byte(tt.payload), time.Date(2026, 3, 2, 12, 0, 0, 5e6, time.UTC)))
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.ValidateEvent(wire.MessageFailed.Name(), got); err != nil {
				t.Error(err)
			}
			testkit.Golden(t, tt.name, got, *update)
		})
	}
}
