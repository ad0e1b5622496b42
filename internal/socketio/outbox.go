package socketio

// An outbox holds the messages that wait to be written, and those being written. The mutex
// of its transport guards it.
type outbox struct {
	maxBytes, maxPackets int

	messages [][]byte
	bytes    int
}

// fits reports whether there is room for the messages; there always is in an empty outbox.
func (o *outbox) fits(messages ...[]byte) bool {
	if len(o.messages) == 0 {
		return true
	}
	bytes := o.bytes
	for _, m := range messages {
		bytes += len(m)
	}
	return len(o.messages)+len(messages) <= o.maxPackets && bytes <= o.maxBytes
}

// force appends messages, which may be shared, whatever the bounds say.
func (o *outbox) force(messages ...[]byte) {
	o.messages = append(o.messages, messages...)
	for _, m := range messages {
		o.bytes += len(m)
	}
}

// front returns the messages to be written next, as many as hold so many bytes, or one that
// holds more; none when nothing waits. They stay as they are until they are popped.
func (o *outbox) front(bytes int) [][]byte {
	n := 0
	for n < len(o.messages) && (n == 0 || len(o.messages[n]) <= bytes) {
		bytes -= len(o.messages[n])
		n++
	}
	return o.messages[:n]
}

// pop forgets so many messages of the front, which have been written.
func (o *outbox) pop(n int) {
	for i, m := range o.messages[:n] {
		o.bytes -= len(m)
		o.messages[i] = nil
	}
	o.messages = o.messages[n:]
	if len(o.messages) == 0 {
		o.messages = nil
	}
}
