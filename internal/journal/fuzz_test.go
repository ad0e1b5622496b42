package journal

import (
	"bytes"
	"testing"
)

// FuzzScan reads segments of any content: whatever is taken for a record is one, byte by byte,
// and the positions grow.
func FuzzScan(f *testing.F) {
	from := seedOf(1, testTag)
	head := header{number: 1, tag: testTag, prior: 4, proven: span{1, 4}}.encode()
	good := from.appendRecord(bytes.Clone(head), 5, 4, []byte("five"))
	two := from.appendRecord(bytes.Clone(good), 6, 5, nil)
	f.Add([]byte{})
	f.Add(head)
	f.Add(good)
	f.Add(two)
	f.Add(two[:len(two)-1])
	f.Add(append(bytes.Clone(good), two[len(head)+3:]...))
	f.Add(bytes.Repeat(recordMagic, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scanSegment(b, 1, testTag)
		last := Position(0)
		for _, r := range s.records {
			start := r.end - recordSize(len(r.payload))
			if start < headerLength || !bytes.Equal(from.appendRecord(nil, r.position, r.synced, r.payload), b[start:r.end]) {
				t.Fatalf("the record at %d is not what is there", start)
			}
			if r.position <= last || r.synced >= r.position {
				t.Fatalf("position %d (synced %d) follows %d", r.position, r.synced, last)
			}
			last = r.position
		}
		// What is appended behind it is found.
		next := max(last, s.header.prior) + 1
		if len(b) < headerLength || next < last {
			return
		}
		more := scanSegment(from.appendRecord(bytes.Clone(b), next, last, []byte("behind")), 1, testTag)
		if n := len(more.records); n == 0 || string(more.records[n-1].payload) != "behind" {
			t.Fatalf("what was appended is not the last of %d records", n)
		}
	})
}
