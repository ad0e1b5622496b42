package journal

// bounds count the records that are not done.
type bounds struct {
	maxBytes   int64
	maxRecords int

	records int
	bytes   int64
	live    []weight // of the durable ones, in the order of their positions
}

type weight struct {
	position Position
	bytes    int64
}

// admit counts a record in, if there is room for it.
func (b *bounds) admit(payload int) bool {
	n := int64(recordSize(payload))
	if b.records >= b.maxRecords || b.bytes+n > b.maxBytes {
		return false
	}
	b.records++
	b.bytes += n
	return true
}

// add counts in a record that was found, whether there is room for it or not.
func (b *bounds) add(p Position, payload int) {
	b.records++
	b.bytes += int64(recordSize(payload))
	b.settle(p, payload)
}

// settle notes that a record that was counted in is durable.
func (b *bounds) settle(p Position, payload int) {
	b.live = append(b.live, weight{p, int64(recordSize(payload))})
}

// drop counts out a record that was counted in and is not durable.
func (b *bounds) drop(payload int) {
	b.records--
	b.bytes -= int64(recordSize(payload))
}

// done counts out what is done.
func (b *bounds) done(upTo Position) {
	n := 0
	for n < len(b.live) && b.live[n].position <= upTo {
		b.records--
		b.bytes -= b.live[n].bytes
		n++
	}
	b.live = b.live[n:]
	if len(b.live) == 0 {
		b.live = nil
	}
}
