package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// found is what a folder holds when it is opened.
type found struct {
	cursor   *cursor
	segments []*segment // oldest first
	number   uint64     // of the newest segment, also of one that is gone
	last     Position   // of the newest record
	proven   span       // of the newest segment
	records  []Record   // that are not done
	losses   []Loss
}

// recoverFolder reads a folder and cuts off what was never durable.
func recoverFolder(o Options, d disk) (_ *found, err error) {
	f := &found{}
	if f.cursor, err = openCursor(o.Dir, o.Tag, d); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.cursor.file.Close())
		}
	}()
	scans, err := f.read(o)
	if err != nil {
		return nil, err
	}
	leaveOutVoid(scans)
	if scans, err = f.dropUnused(scans, d); err != nil {
		return nil, err
	}
	f.gather(scans)
	return f, f.cutTail(scans, d)
}

// read reads every segment.
func (f *found) read(o Options) ([]scan, error) {
	paths, err := filepath.Glob(filepath.Join(o.Dir, "*"+suffix))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var scans []scan
	for _, path := range paths {
		number, ok := segmentNumber(path)
		if !ok {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read a segment: %w", err)
		}
		s := scanSegment(b, number, o.Tag)
		if s.headed && s.header.tag != o.Tag {
			return nil, ErrForeign
		}
		scans = append(scans, s)
		f.segments = append(f.segments, &segment{path: path, size: int64(len(b))})
		f.number = number
	}
	return scans, nil
}

// leaveOutVoid leaves out what a later segment says was never acknowledged.
func leaveOutVoid(scans []scan) {
	limit := Position(math.MaxUint64)
	for i := range slices.Backward(scans) {
		s := &scans[i]
		s.records = slices.DeleteFunc(s.records, func(r foundRecord) bool { return r.position > limit })
		if s.headed {
			limit = min(limit, s.header.prior)
		}
	}
}

// dropUnused removes the newest segments as long as nothing was ever durable in them. One that
// holds something, and not even its header can be read, was damaged: the header was durable
// before anything else was written.
func (f *found) dropUnused(scans []scan, d disk) ([]scan, error) {
	for len(scans) > 0 {
		n := len(scans) - 1
		s, seg := scans[n], f.segments[n]
		if len(s.records) > 0 {
			break
		}
		if !s.headed && seg.size > headerLength {
			f.losses = append(f.losses, Loss{Segment: filepath.Base(seg.path)})
			seg.damaged = true
		} else if s.headed && f.proven.empty() {
			f.proven = s.header.proven
		}
		if err := seg.discard(d); err != nil {
			return nil, fmt.Errorf("remove an unused segment: %w", err)
		}
		if s.headed {
			f.last = max(f.last, s.header.prior)
		}
		scans, f.segments = scans[:n], f.segments[:n]
	}
	return scans, nil
}

// gather collects the records that are not done, in order, and finds out which are missing.
func (f *found) gather(scans []scan) {
	proofs := []span{f.proven}
	at := f.cursor.upTo()
	if !f.cursor.known && len(scans) > 0 {
		at = scans[0].header.prior
	}
	base := at
	for i, s := range scans {
		if s.headed {
			base = s.header.prior
			proofs = append(proofs, s.header.proven)
		}
		whole := base
		for _, r := range s.records {
			if r.position == whole+1 {
				whole++
			}
			f.segments[i].last = r.position
		}
		if n := len(s.records); n > 0 {
			proofs = append(proofs, span{base + 1, s.records[n-1].synced})
			if i == len(scans)-1 && f.proven.empty() {
				f.proven = span{base + 1, whole}
			}
			base = s.records[n-1].position
		}
	}
	for i, s := range scans {
		for _, r := range s.records {
			if r.position <= at {
				continue
			}
			f.missing(span{at + 1, r.position - 1}, proofs, i)
			f.records = append(f.records, Record{r.position, r.payload})
			at = r.position
		}
	}
	f.missing(span{at + 1, math.MaxUint64}, proofs, len(scans)-1)
	f.last = max(f.last, at)
}

// missing reports what of a gap in front of a record of a segment was durable once.
func (f *found) missing(gap span, proofs []span, segment int) {
	var lost span
	for _, p := range proofs {
		in := span{max(gap.from, p.from), min(gap.to, p.to)}
		switch {
		case gap.empty() || p.from == 0 || in.empty():
		case lost.from == 0:
			lost = in
		default:
			lost = span{min(lost.from, in.from), max(lost.to, in.to)}
		}
	}
	if lost.from == 0 {
		return
	}
	l := Loss{From: lost.from, To: lost.to}
	for i := max(segment-1, 0); i <= segment; i++ {
		f.segments[i].damaged = true
		l.Segment = filepath.Base(f.segments[i].path)
	}
	f.losses = append(f.losses, l)
	f.last = max(f.last, lost.to)
}

// cutTail cuts off what stands behind the last record, and makes sure that what was found is
// durable: it may have been written, and not synced, before the last process ended.
func (f *found) cutTail(scans []scan, d disk) error {
	if len(scans) == 0 {
		return nil
	}
	n := len(scans) - 1
	seg := f.segments[n]
	file, err := d.open(seg.path)
	if err != nil {
		return fmt.Errorf("open the newest segment: %w", err)
	}
	if end := int64(scans[n].end); end < seg.size {
		if err := file.Truncate(end); err != nil {
			return errors.Join(fmt.Errorf("cut off the newest segment: %w", err), file.Close())
		}
		seg.size = end
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("sync the newest segment: %w", err)
	}
	return nil
}
