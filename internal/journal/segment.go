package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
)

// A segment is a header and then records, one behind the other. Numbers are big-endian.
//
//	header: magic 8, number 8, tag 8, prior 8, proven from 8, proven up to 8, zero 12, CRC-32C 4
//	record: magic 4, payload bytes 4, position 8, synced 8, CRC-32C 4, payload
//
// The sum of a record starts from the number of the segment and the tag, so that what the disk
// held before, or what somebody copied there, is not taken for a record.
const (
	headerMagic  = "journal\x01"
	headerLength = 64
	recordHead   = 28
	suffix       = ".journal"
	damaged      = ".damaged"
)

var (
	recordMagic = []byte{0xd7, 'r', 'e', 0xc1}
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
)

// A header says what was known when its segment was begun.
type header struct {
	number uint64
	tag    Tag
	// prior is the last position before the segment. What an older segment holds beyond it was
	// never acknowledged and does not count.
	prior Position
	// proven are the positions that were durable then, as far as it is certain: what is missing
	// among them was lost. None where the first is higher than the second.
	proven span
}

// A span is a run of positions, both ends included.
type span struct{ from, to Position }

func (s span) empty() bool { return s.from > s.to }

func (h header) encode() []byte {
	b := make([]byte, 0, headerLength)
	b = append(b, headerMagic...)
	b = binary.BigEndian.AppendUint64(b, h.number)
	b = append(b, h.tag[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.prior))
	b = binary.BigEndian.AppendUint64(b, uint64(h.proven.from))
	b = binary.BigEndian.AppendUint64(b, uint64(h.proven.to))
	b = append(b, make([]byte, headerLength-4-len(b))...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeHeader reports false where there is no header.
func decodeHeader(b []byte) (header, bool) {
	if len(b) < headerLength || string(b[:8]) != headerMagic ||
		crc32.Checksum(b[:headerLength-4], castagnoli) != binary.BigEndian.Uint32(b[headerLength-4:]) {
		return header{}, false
	}
	at := func(i int) Position { return Position(binary.BigEndian.Uint64(b[i:])) }
	return header{number: uint64(at(8)), tag: Tag(b[16:24]), prior: at(24), proven: span{at(32), at(40)}}, true
}

func segmentName(number uint64) string { return fmt.Sprintf("%016x%s", number, suffix) }

// segmentNumber reports false for a file that is no segment.
func segmentNumber(path string) (uint64, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), suffix)
	if !ok || len(name) != 16 {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 16, 64)
	return n, err == nil
}

// recordSize is how many bytes a record takes on disk.
func recordSize(payload int) int { return recordHead + payload }

// A seed is where the sums of the records of one segment start from.
type seed uint32

func seedOf(number uint64, tag Tag) seed {
	b := binary.BigEndian.AppendUint64(nil, number)
	return seed(crc32.Checksum(append(b, tag[:]...), castagnoli))
}

// appendRecord encodes a record. synced is the last position that was durable before its
// group was written.
func (s seed) appendRecord(b []byte, p, synced Position, payload []byte) []byte {
	start := len(b)
	b = append(b, recordMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint64(b, uint64(p))
	b = binary.BigEndian.AppendUint64(b, uint64(synced))
	b = binary.BigEndian.AppendUint32(b, s.sum(b[start:], payload))
	return append(b, payload...)
}

func (s seed) sum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Update(uint32(s), castagnoli, head), castagnoli, payload)
}

// A found record is a record that was read.
type foundRecord struct {
	position, synced Position
	payload          []byte
	end              int // where the next one begins
}

// recordAt reads the record that begins at an offset; it reports false where none does.
func (s seed) recordAt(b []byte, at int) (foundRecord, bool) {
	if len(b)-at < recordHead || !bytes.HasPrefix(b[at:], recordMagic) {
		return foundRecord{}, false
	}
	head := b[at : at+recordHead]
	n := int(binary.BigEndian.Uint32(head[4:]))
	if n > MaxPayload || n > len(b)-at-recordHead {
		return foundRecord{}, false
	}
	r := foundRecord{
		position: Position(binary.BigEndian.Uint64(head[8:])),
		synced:   Position(binary.BigEndian.Uint64(head[16:])),
		payload:  b[at+recordHead : at+recordHead+n],
		end:      at + recordHead + n,
	}
	ok := s.sum(head[:24], r.payload) == binary.BigEndian.Uint32(head[24:]) && r.synced < r.position
	return r, ok
}

// A scan is what a segment holds.
type scan struct {
	header  header
	headed  bool // the header can be read
	records []foundRecord
	end     int // of the last record; what is behind it is no record
}

// scanSegment reads a segment. What cannot be read is passed over to the next record that can;
// positions that are missing tell of it.
func scanSegment(b []byte, number uint64, tag Tag) scan {
	var s scan
	s.header, s.headed = decodeHeader(b)
	s.headed = s.headed && s.header.number == number
	s.end = min(headerLength, len(b))
	from := seedOf(number, tag)
	last := Position(0)
	if s.headed {
		last = s.header.prior
	}
	for at := headerLength; at < len(b); {
		r, ok := from.recordAt(b, at)
		if !ok || r.position <= last {
			next := bytes.Index(b[at+1:], recordMagic)
			if next < 0 {
				break
			}
			at += 1 + next
			continue
		}
		s.records = append(s.records, r)
		last, s.end, at = r.position, r.end, r.end
	}
	return s
}
