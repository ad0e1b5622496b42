package files

import "encoding/binary"

// maxRun is how long a table of samples is at most that is read, in bytes.
const maxRun = 256 << 10

// A track is what is known of how long one track of a recording plays, which is written in
// fragments: nobody knew it in the beginning.
type track struct {
	timescale uint32
	usual     uint32 // duration of a sample where nothing else is said
	played    uint64 // in units of timescale
}

// fragments reads the boxes with the durations of fragments.
func (m *movie) fragments(name string, from, to int64) error {
	switch name {
	case "traf":
		m.usual, m.current = 0, nil
		return m.walk(from, to, m.fragments)
	case "tfhd":
		return m.fragmentHead(from, to)
	case "trun":
		return m.run(from, to)
	}
	return nil
}

// extends reads which durations samples have where fragments do not say.
func (m *movie) extends(name string, from, to int64) error {
	b, err := m.read(from, min(16, to-from))
	if err != nil || name != "trex" || len(b) < 16 {
		return err
	}
	m.track(binary.BigEndian.Uint32(b[4:])).usual = binary.BigEndian.Uint32(b[12:])
	return nil
}

// trackHead reads which track the next boxes are about, and mediaHead its timescale.
func (m *movie) trackHead(from, to int64) error {
	b, err := m.read(from, min(24, to-from))
	switch {
	case err != nil:
		return err
	case len(b) >= 16 && b[0] == 0:
		m.current = m.track(binary.BigEndian.Uint32(b[12:]))
	case len(b) >= 24:
		m.current = m.track(binary.BigEndian.Uint32(b[20:]))
	}
	return nil
}

func (m *movie) mediaHead(from, to int64) error {
	b, err := m.read(from, min(24, to-from))
	switch {
	case err != nil || m.current == nil:
		return err
	case len(b) >= 16 && b[0] == 0:
		m.current.timescale = binary.BigEndian.Uint32(b[12:])
	case len(b) >= 24:
		m.current.timescale = binary.BigEndian.Uint32(b[20:])
	}
	return nil
}

// maxTracks is how many tracks are told apart.
const maxTracks = 16

func (m *movie) track(number uint32) *track {
	t := m.tracks[number]
	if t == nil {
		t = &track{}
		if m.tracks == nil {
			m.tracks = map[uint32]*track{}
		}
		if len(m.tracks) < maxTracks {
			m.tracks[number] = t
		}
	}
	return t
}

func (m *movie) fragmentHead(from, to int64) error {
	b, err := m.read(from, min(32, to-from))
	if err != nil || len(b) < 8 {
		return err
	}
	m.current = m.track(binary.BigEndian.Uint32(b[4:]))
	m.usual = m.current.usual
	at := 8
	for _, field := range []struct {
		flag byte
		size int
	}{{1, 8}, {2, 4}} {
		if b[3]&field.flag != 0 {
			at += field.size
		}
	}
	if b[3]&8 != 0 && len(b) >= at+4 {
		m.usual = binary.BigEndian.Uint32(b[at:])
	}
	return nil
}

// run adds up the durations of samples.
func (m *movie) run(from, to int64) error {
	b, err := m.read(from, min(maxRun, to-from))
	if err != nil || len(b) < 8 || m.current == nil {
		return err
	}
	count, at := uint64(binary.BigEndian.Uint32(b[4:])), 8
	for _, flag := range []byte{1, 4} {
		if b[3]&flag != 0 {
			at += 4
		}
	}
	if b[2]&1 == 0 {
		m.current.played += count * uint64(m.usual)
		return nil
	}
	size := 0
	for _, flag := range []byte{1, 2, 4, 8} {
		if b[2]&flag != 0 {
			size += 4
		}
	}
	for ; count > 0 && at+size <= len(b); count, at = count-1, at+size {
		m.current.played += uint64(binary.BigEndian.Uint32(b[at:]))
	}
	return nil
}

// played returns how many seconds the longest track plays by its fragments.
func (m *movie) played() (longest float64) {
	for _, t := range m.tracks {
		if t.timescale > 0 {
			longest = max(longest, float64(t.played)/float64(t.timescale))
		}
	}
	return longest
}
