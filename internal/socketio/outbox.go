package socketio

// An outbox holds the messages that wait to be written, and the one being written. The
// mutex of its transport guards it.
type outbox struct {
	maxBytes, maxPackets int

	messages [][]byte
	bytes    int
}

// push appends a message that may be shared. It reports false when the outbox is full; a
// message that is larger than the bound passes when it is the only one.
func (o *outbox) push(message []byte) bool {
	if len(o.messages) > 0 && (len(o.messages) >= o.maxPackets || o.bytes+len(message) > o.maxBytes) {
		return false
	}
	o.force(message)
	return true
}

// force appends a message whatever the bounds say.
func (o *outbox) force(message []byte) {
	o.messages = append(o.messages, message)
	o.bytes += len(message)
}

// front returns the message to be written next; nil when there is none.
func (o *outbox) front() []byte {
	if len(o.messages) == 0 {
		return nil
	}
	return o.messages[0]
}

// pop forgets the front, which has been written.
func (o *outbox) pop() {
	o.bytes -= len(o.messages[0])
	o.messages[0] = nil
	o.messages = o.messages[1:]
	if len(o.messages) == 0 {
		o.messages = nil
	}
}
