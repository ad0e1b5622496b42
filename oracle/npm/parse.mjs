// Reads packets, one JSON object a line, and prints what the reference parsers make of each.
//
// {"parser":"socket","frames":[...]}: the frames of one Socket.IO packet, its text first. It is
// accepted where exactly one packet has come out when the last frame is in.
// {"parser":"engine","frames":[payload]}: the body of one request of HTTP long-polling; what the
// parser refuses comes out as a packet of type error, and ends the list.
// {"parser":"encode","frames":[...]}: text frames are the data of Engine.IO messages, binary ones
// are binary messages; the answer is the body of a response with all of them.
//
// A frame is "t" for text or "b" for binary, and its bytes in base64.
import { createInterface } from 'node:readline'
import { decodePayload, encodePayload } from 'engine.io-parser'
import { Decoder } from 'socket.io-parser'

// WebSocket text and the body of a request are UTF-8, or they do not reach a parser.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function open(frame) {
  const bytes = Buffer.from(frame.slice(1), 'base64')
  return frame[0] === 't' ? utf8.decode(bytes) : bytes
}

// What JSON cannot hold is marked: attachments, and what is left of a number of another kind.
function plain(value) {
  if (Buffer.isBuffer(value)) return { binary: value.toString('base64') }
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) return { special: String(value) }
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  const copy = Object.create(null)
  for (const [key, member] of Object.entries(value)) copy[key] = plain(member)
  return copy
}

const parsers = {
  socket(frames) {
    const packets = []
    const decoder = new Decoder()
    decoder.on('decoded', (packet) => packets.push(packet))
    for (const frame of frames) decoder.add(open(frame))
    if (packets.length !== 1) throw new Error('not one packet')
    const [{ type, nsp, id, data }] = packets
    return { type, nsp, id: plain(id), data: plain(data), hasData: data !== undefined, name: type === 2 ? String(data?.[0]) : '' }
  },
  engine([payload]) {
    return decodePayload(open(payload)).map(({ type, data }) =>
      Buffer.isBuffer(data) ? { type, binary: data.toString('base64') } : { type, text: data ?? '' },
    )
  },
  encode(frames) {
    let body
    encodePayload(frames.map((frame) => ({ type: 'message', data: open(frame) })), (encoded) => (body = encoded))
    return Buffer.from(body).toString('base64')
  },
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { parser, frames } = JSON.parse(line)
  let answer
  try {
    answer = { accepted: true, is: parsers[parser](frames) }
  } catch {
    answer = { accepted: false }
  }
  process.stdout.write(JSON.stringify(answer) + '\n')
}
