package wire

import "testing"

func TestOffsetsAreReadAsTheyAreWritten(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Offset
	}{
		{"0", Offset{}},
		{"5fa1c09e.0", Offset{Database: Database{0x5f, 0xa1, 0xc0, 0x9e}}},
		{"5fa1c09e.43", Offset{Database: Database{0x5f, 0xa1, 0xc0, 0x9e}, Seq: 43}},
		{"00000000.999999999999999999", Offset{Seq: 999_999_999_999_999_999}},
	} {
		got, err := ParseOffset(tt.text)
		if err != nil || got != tt.want {
			t.Errorf("%q is read as %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
		if got.String() != tt.text {
			t.Errorf("%q is written as %q", tt.text, got)
		}
	}
}

func TestWhatIsNoOffsetIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "1", "-1", "0.0", ".1", "5fa1c09e", "5fa1c09e.", "5fa1c09e.-1", "5fa1c09e.+1", "5fa1c09e.1.2", "5fa1c09e. 1",
		"5fa1c09.1", "5fa1c09g.1", "5fa1c09e.1e3", "5fa1c09e.0x1", "5fa1c09e.1_0", "5fa1c09e.1000000000000000000", "[object Object]",
	} {
		if got, err := ParseOffset(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
