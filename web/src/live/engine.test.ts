import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ask, Fixture, heard, Inbox, numbers } from './fixture'

let fixture: Fixture
beforeAll(async () => {
  fixture = await Fixture.start()
})
afterEach(() => fixture.closeClients())
afterAll(() => fixture.end())

const kinds = [
  null, true, false, 0, -1, 1.5, 1e21, 5e-324, 9007199254740991, '', 'plain', '"\\/\b\f\n\r\t', '\u0000\u001e\u2028\u2029\u007f', 'ÿ – 中文 – 😀', '\ud83d',
  [], [[], [[]]], [null, [1, 'a']], {}, { a: { b: { c: [{}] } } }, { '': 1, 'a.b': null, 'é': [] }, { num: 0 }, { type: 'Buffer', data: [1] }, 'x'.repeat(30_000),
]
const bytes = Buffer.from(numbers(0, 256))

describe.each([[['polling']], [['websocket']], [['polling', 'websocket']]])('over %j', (transports) => {
  const connect = (options = {}): Promise<Socket> => fixture.connect({ transports, ...options })

  test('every kind of JSON comes back as it went', async () => {
    const socket = await connect()
    for (const kind of kinds) expect(await ask(socket, 'echo', kind)).toEqual([kind])
    expect(await ask(socket, 'echo')).toEqual([])
    expect(await ask(socket, 'echo', ...kinds)).toEqual(kinds)
    expect(await ask(socket, 'typeof', null, true, 1.5, 'a', [], {}, Buffer.of(1))).toEqual([
      ['null', 'boolean', 'number', 'string', 'array', 'object', 'binary'],
    ])
  })

  test('binary arguments come back as they went, wherever they stand', async () => {
    const socket = await connect()
    const [all, nested, none, last] = await ask(socket, 'echo', bytes, { deep: [{ part: bytes.subarray(0, 3) }, 'text'] }, Buffer.alloc(0), [[bytes]])
    expect(all).toEqual(bytes)
    expect(nested).toEqual({ deep: [{ part: Buffer.of(0, 1, 2) }, 'text'] })
    expect(none).toEqual(Buffer.alloc(0))
    expect(last).toEqual([[bytes]])
    const large = Buffer.alloc(400_000, 7)
    const [back] = await ask(socket, 'echo', large)
    expect(Buffer.isBuffer(back) && back.equals(large)).toBe(true)
  })

  test('acknowledgements come in the order of what they are for', async () => {
    const socket = await connect()
    const order: unknown[] = []
    await Promise.all(numbers(0, 200).map((i) => ask(socket, 'echo', i).then(([n]) => order.push(n))))
    expect(order).toEqual(numbers(0, 200))
  })

  test('rooms hear what is broadcast to them, in order, and nobody else does', async () => {
    const [ann, bob, eve] = await Promise.all([connect(), connect(), connect()])
    const inboxes = [ann, bob, eve].map((socket) => new Inbox(socket))
    const room = `room ${ann.id}`
    expect(await ask(ann, 'join', room)).toEqual([])
    await ask(bob, 'join', room)
    expect((await ask(ann, 'rooms'))[0]).toEqual([ann.id, room].sort())

    for (let i = 0; i < 50; i++) ann.emit('bcast', room, i)
    await ask(ann, 'bcastexc', room, 'not for ann')
    await ask(eve, 'bcast', room, { from: 'eve' }, bytes)
    await ask(eve, 'bcast', eve.id, 'for eve')
    await ask(bob, 'leave', room)
    await ask(ann, 'bcast', room, 'last')

    expect(await inboxes[0]?.filled(52)).toEqual([...numbers(0, 50), { from: 'eve' }, 'last'])
    expect(await inboxes[1]?.filled(52)).toEqual([...numbers(0, 50), 'not for ann', { from: 'eve' }])
    await ask(bob, 'echo') // what was on its way to bob is there by now
    expect(inboxes[1]?.got).toHaveLength(52)
    expect(inboxes[2]?.got).toEqual(['for eve'])
    expect(await ask(bob, 'rooms')).toEqual([[bob.id]])
  })

  test('volatile and binary broadcasts arrive at clients that keep up', async () => {
    const [ann, bob] = await Promise.all([connect(), connect()])
    await ask(bob, 'join', bob.id + '!')
    const first = heard(bob, 'msg')
    await ask(ann, 'vol', bob.id + '!', 'seen', 1)
    expect(await first).toEqual(['seen', 1])
    const second = heard(bob, 'msg')
    await ask(ann, 'bcast', bob.id + '!', bytes, { in: [bytes] })
    expect(await second).toEqual([bytes, { in: [bytes] }])
  })

  test('a namespace has rooms and sockets of its own on the same connection', async () => {
    const root = await connect()
    const chat = root.io.socket('/chat', { auth: { token: 'good' } })
    await heard(chat, 'connect')
    expect(chat.id).not.toBe(root.id)
    const [rootInbox, chatInbox] = [new Inbox(root), new Inbox(chat)]
    const room = `both ${root.id}`
    await Promise.all([ask(root, 'join', room), ask(chat, 'join', room)])
    await ask(root, 'bcast', room, 'root')
    await ask(chat, 'bcast', room, 'chat')
    await Promise.all([ask(root, 'echo'), ask(chat, 'echo')])
    expect(rootInbox.got).toEqual(['root'])
    expect(chatInbox.got).toEqual(['chat'])

    chat.close()
    expect(await ask(root, 'echo', 'still here')).toEqual(['still here'])
    chat.connect()
    await heard(chat, 'connect')
    expect(await ask(chat, 'echo', 'again')).toEqual(['again'])
  })

  test('unknown namespaces and tokens are refused, and others stay', async () => {
    const root = await connect()
    const unknown = root.io.socket('/nope', { auth: { token: 'good' } })
    const [error] = await heard(unknown, 'connect_error')
    expect(error).toMatchObject({ message: 'Invalid namespace' })
    const stranger = fixture.client({ transports, auth: { token: 'bad' } })
    const [refusal] = await heard(stranger, 'connect_error')
    expect(refusal).toMatchObject({ message: 'unauthorized', data: { code: 'E_AUTH', got: 'bad' } })
    expect(stranger.active).toBe(false)
    stranger.auth = { token: 'good' }
    stranger.connect()
    await heard(stranger, 'connect')
    expect(await ask(root, 'echo', 1)).toEqual([1])
  })

  test('a client is asked and answers, or is given up', async () => {
    const socket = await connect()
    socket.once('question', (n: number, ack: (...args: unknown[]) => void) => ack(n, 'answer', bytes))
    expect(await ask(socket, 'askme', 5000)).toEqual(['ok', [42, 'answer', bytes]])
    let late: (() => void) | undefined
    socket.once('question', (_: number, ack: () => void) => (late = ack))
    expect(await ask(socket, 'askme', 50)).toEqual(['timeout', 'operation has timed out'])
    late?.() // an answer that nobody waits for does no harm
    expect(await ask(socket, 'data')).toEqual([{ user: '', first: socket.id }, false])
  })

  test('a client does not wait for ever for an answer that does not come', async () => {
    const socket = await connect()
    await expect(socket.timeout(50).emitWithAck('slow', 300)).rejects.toThrow('operation has timed out')
    await expect(socket.timeout(50).emitWithAck('no such event')).rejects.toThrow('operation has timed out')
    expect(await ask(socket, 'slow', 1)).toEqual([])
  })

  test('a room is asked, and those who do not answer are missed', async () => {
    const sockets = await Promise.all([connect(), connect(), connect()])
    const [first, second, third] = sockets
    const room = `asked ${first.id}`
    await Promise.all(sockets.map((socket) => ask(socket, 'join', room)))
    for (const [i, socket] of sockets.entries()) socket.once('question', (n: number, ack: (answer: number) => void) => ack(n + i))
    const [answers, error] = await ask(first, 'bcastack', room)
    expect([...(answers as number[])].sort()).toEqual([42, 43, 44])
    expect(error).toBeNull()

    for (const socket of [second, third]) socket.once('question', (n: number, ack: (answer: number) => void) => ack(n))
    expect(await ask(first, 'bcastack', room)).toEqual([[42, 42], 'operation has timed out'])
  })

  test('a kicked client goes and stays away', async () => {
    const socket = await connect()
    const chat = socket.io.socket('/chat', { auth: { token: 'good' } })
    await heard(chat, 'connect')
    const [id, gone, chatGone] = [socket.id ?? '', heard(socket, 'disconnect'), heard(chat, 'disconnect')]
    socket.emit('kick')
    expect((await gone)[0]).toBe('io server disconnect')
    expect((await chatGone)[0]).toBe('io server disconnect')
    expect(socket.active).toBe(false)
    expect(await fixture.reason(id)).toBe('server namespace disconnect')
  })

  test('a client that is kicked out of a namespace keeps the others', async () => {
    const root = await connect()
    const chat = root.io.socket('/chat', { auth: { token: 'good' } })
    await heard(chat, 'connect')
    const [id, gone] = [chat.id ?? '', heard(chat, 'disconnect')]
    chat.emit('nskick')
    expect((await gone)[0]).toBe('io server disconnect')
    expect(await fixture.reason(id)).toBe('server namespace disconnect')
    expect(await ask(root, 'echo', 'here')).toEqual(['here'])
    chat.connect()
    await heard(chat, 'connect')
    expect(chat.id).not.toBe(id)
  })

  test('a client whose transport is lost comes back by itself', async () => {
    const socket = await connect()
    const [id, gone] = [socket.id ?? '', heard(socket, 'disconnect')]
    socket.emit('killtransport')
    expect((await gone)[0]).toMatch(/^transport (close|error)$/)
    await heard(socket, 'connect')
    expect(socket.id).not.toBe(id)
    expect(socket.recovered).toBeFalsy()
    expect(await fixture.reason(id)).toBe('transport close')
  })

  test('a client that says goodbye leaves', async () => {
    const socket = await connect()
    const id = socket.id ?? ''
    socket.close()
    expect(await fixture.reason(id)).toBe('client namespace disconnect')
  })

  test('a flood that fits arrives whole', async () => {
    const socket = await connect()
    const inbox = new Inbox(socket)
    await ask(socket, 'flood', 500, 1000)
    expect(await inbox.filled(500)).toEqual(Array.from({ length: 500 }, () => 'x'.repeat(1000)))
  })
})
