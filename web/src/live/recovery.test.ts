import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { fromServer } from '../wire/examples.gen'
import type { ClientToServer, GroupCard, Message, NewMessage, Reply, Sent, ServerToClient, SignedUp } from '../wire/wire.gen'
import { checkAck, checkAnswer, hold } from './contract'
import { Server } from './server'

type Client = Socket<ServerToClient, ClientToServer>

const patience = 10_000

// Sockets that one person may have, where nothing else is configured.
const maxConnections = 20

let server: Server
const open = new Map<Client, () => void>() // with what tells whether the contract was kept
beforeAll(async () => {
  server = await Server.start()
})
afterEach(() => {
  const sockets = [...open]
  open.clear()
  for (const [socket] of sockets) socket.close()
  for (const [, kept] of sockets) kept()
})
afterAll(() => server.remove())

let people = 0

async function signUp(at = server): Promise<SignedUp> {
  const username = `recovers_${Date.now().toString(36)}_${people++}`
  const response = await fetch(`${at.url}/api/auth/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ fullName: 'Some Person', username, email: `${username}@example.com`, password: 'Correct-Horse-7', birthday: '1990-01-31' }),
  })
  const body: unknown = await response.json()
  checkAnswer('POST', '/api/auth/signup', response.status, body)
  expect(response.status).toBe(201)
  return body as SignedUp
}

function client(auth: object, options: Partial<ManagerOptions & SocketOptions> = {}, at = server): Client {
  const socket: Client = io(at.url, { transports: ['websocket'], auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options })
  open.set(socket, hold(socket))
  return socket
}

async function connect(auth: object, options: Partial<ManagerOptions & SocketOptions> = {}, at = server): Promise<Client> {
  const socket = client(auth, options, at)
  await heard(socket, 'online_users')
  return socket
}

function heard(socket: Client, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${event} was not heard`)), patience)
    // The library's types do not follow a generic event name.
    socket.once(event as never, ((payload: unknown) => {
      clearTimeout(late)
      resolve(payload)
    }) as never)
  })
}

async function send(socket: Client, message: NewMessage): Promise<Reply<Sent>> {
  const reply = await socket.timeout(patience).emitWithAck('send_message', message)
  checkAck('send_message', reply)
  expect(reply).toMatchObject({ success: true })
  return reply
}

async function call(method: string, token: string, path: string, body?: object): Promise<void> {
  const response = await fetch(`${server.url}/api/${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(response.status).toBe(200)
}

/** Keeps the texts of the messages that a socket hears. */
class Inbox {
  readonly got: string[] = []

  constructor(socket: Client) {
    socket.on('message:new', (message) => this.got.push(message.content))
  }

  async holds(want: string[]): Promise<void> {
    await vi.waitFor(() => expect(this.got.length).toBeGreaterThanOrEqual(want.length), { timeout: patience, interval: 10 })
    expect(this.got).toEqual(want)
  }
}

const offsetOf = (socket: Client): unknown => Reflect.get(socket, '_lastOffset')
const pidOf = (socket: Client): unknown => Reflect.get(socket, '_pid')

// Each way leaves the server behind for a while and comes back.
const ways: Record<string, (socket: Client, meanwhile: () => Promise<void>) => Promise<void>> = {
  'a connection that is lost': async (socket, meanwhile) => {
    socket.io.reconnection(false)
    const gone = heard(socket, 'disconnect')
    socket.io.engine.close()
    await gone
    await meanwhile()
    socket.io.reconnection(true)
    socket.connect()
  },
  'a page that is put away and brought back': async (socket, meanwhile) => {
    socket.disconnect()
    await meanwhile()
    socket.connect()
  },
  'a server that is killed and starts again': async (socket, meanwhile) => {
    socket.disconnect()
    await meanwhile()
    await server.end('SIGKILL')
    await server.run()
    socket.connect()
  },
}

test.each(Object.keys(ways))('after %s what was missed comes once and in order, and no more is asked for', async (way) => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect({ token: ann.accessToken }), await connect({ token: bob.accessToken })]
  const inbox = new Inbox(bobSocket)
  let sent = 0
  const say = async (count: number) => {
    for (let i = 0; i < count; i++, sent++) await send(annSocket, { recipientId: bob.user._id, content: `text ${sent}`, _tempId: `t${sent}` })
  }
  await say(2)
  await inbox.holds(['text 0', 'text 1'])
  const [before, pid] = [offsetOf(bobSocket), pidOf(bobSocket)]
  expect(before).toEqual(expect.stringMatching(/^[0-9a-f]{8}\.\d+$/))
  const again = [heard(bobSocket, 'connect'), heard(bobSocket, 'room:joined'), heard(bobSocket, 'online_users')]

  await ways[way]?.(bobSocket, () => say(3))
  await Promise.all(again)

  expect(bobSocket.recovered).toBe(true)
  expect(pidOf(bobSocket)).toBe(pid)
  await inbox.holds(['text 0', 'text 1', 'text 2', 'text 3', 'text 4'])
  expect(offsetOf(bobSocket)).not.toBe(before)
  if (!annSocket.connected) await heard(annSocket, 'room:joined')
  await say(1)
  await inbox.holds(['text 0', 'text 1', 'text 2', 'text 3', 'text 4', 'text 5'])
})

test('what was edited, deleted and read meanwhile is told as well', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect({ token: ann.accessToken }), await connect({ token: bob.accessToken })]
  const ids: string[] = []
  for (const content of ['to edit', 'to delete']) {
    const arrived = heard(bobSocket, 'message:new')
    await send(annSocket, { recipientId: bob.user._id, content, _tempId: content })
    ids.push(((await arrived) as Message)._id)
  }
  const own = await send(bobSocket, { recipientId: ann.user._id, content: 'mine', _tempId: 'mine' })
  await vi.waitFor(() => expect(annSocket.connected).toBe(true))
  bobSocket.disconnect()
  await call('PUT', ann.accessToken, `messages/${ids[0]}`, { content: 'edited' })
  await call('DELETE', ann.accessToken, `messages/${ids[1]}?deleteForAll=true`)
  await call('PUT', ann.accessToken, `messages/${'messageId' in own ? own.messageId : ''}/read`)
  const [edited, deleted, read] = [heard(bobSocket, 'message:edited'), heard(bobSocket, 'message:deleted'), heard(bobSocket, 'message:read')]

  bobSocket.connect()

  expect(await edited).toMatchObject({ _id: ids[0], content: 'edited' })
  expect(await deleted).toMatchObject({ messageId: ids[1], deleteForAll: true })
  expect(await read).toMatchObject({ readBy: ann.user._id })
  expect(bobSocket.recovered).toBe(true)
})

test('nobody recovers with the pid of another person, or with one that was changed', async () => {
  const [ann, bob, eve] = [await signUp(), await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect({ token: ann.accessToken }), await connect({ token: bob.accessToken })]
  const inbox = new Inbox(bobSocket)
  await send(annSocket, { recipientId: bob.user._id, content: 'one', _tempId: '1' })
  await inbox.holds(['one'])
  const [pid, offset] = [String(pidOf(bobSocket)), offsetOf(bobSocket)]
  bobSocket.close()
  await send(annSocket, { recipientId: bob.user._id, content: 'secret', _tempId: '2' })
  const changed = (pid.startsWith('A') ? 'B' : 'A') + pid.slice(1)

  for (const auth of [
    { token: eve.accessToken, pid, offset },
    { token: bob.accessToken, pid: changed, offset },
    { token: bob.accessToken, pid: `${pid}A`, offset },
    { token: bob.accessToken, pid, offset: 7 },
    { token: bob.accessToken, pid: { $ne: '' }, offset },
  ]) {
    const socket = client(auth)
    const stranger = new Inbox(socket)
    await heard(socket, 'online_users')
    expect(socket.recovered).toBeFalsy()
    expect(pidOf(socket)).toEqual(expect.any(String))
    expect(pidOf(socket)).not.toBe(auth.pid)
    expect(stranger.got).toEqual([])
  }
  const back = client({ token: bob.accessToken, pid, offset })
  await new Inbox(back).holds(['secret'])
})

test('every durable event that a client hears moves its offset, and no other one does', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const durable = new Set([
    'message:new', 'message:sent', 'message:edited', 'message:deleted', 'message:read', 'message:delivered', 'message:reaction', 'conversation:read',
    'group:message_new', 'group:message_edited', 'group:message_deleted', 'group:message_read', 'group:updated', 'group:removed',
  ])
  const met = new Set<string>()
  const wrong: string[] = []
  const checks: (() => void)[] = []
  const watch = (socket: Client): Client => {
    let before = offsetOf(socket)
    let check = (): void => {}
    socket.onAny((name: string, ...args: unknown[]) => {
      check()
      met.add(name)
      // The client takes note of the offset once its listeners have returned: one event is checked when the next one comes.
      check = () => {
        const now = offsetOf(socket)
        const moves = typeof args.at(-1) === 'string'
        if (moves !== durable.has(name) || now !== (moves ? args.at(-1) : before)) wrong.push(`${name}: ${JSON.stringify(args)}, from ${before} to ${now}`)
        before = now
      }
    })
    checks.push(() => check())
    return socket
  }
  const annSocket = watch(client({ token: ann.accessToken }))
  const came = [heard(annSocket, 'presence:update'), heard(annSocket, 'user_online')]
  await heard(annSocket, 'online_users')
  const bobSocket = watch(client({ token: bob.accessToken }))
  await heard(bobSocket, 'online_users')

  const first = heard(bobSocket, 'message:new')
  await send(annSocket, { recipientId: bob.user._id, content: 'first', _tempId: '1' })
  const message = (await first) as Message
  const reached = heard(annSocket, 'message:delivered')
  await bobSocket.timeout(patience).emitWithAck('message:delivered', { messageId: message._id })
  await reached
  await call('PUT', bob.accessToken, `messages/${message._id}/read`)
  const upTo = heard(annSocket, 'conversation:read')
  await send(annSocket, { recipientId: bob.user._id, content: 'second', _tempId: '2' })
  const list = (await (await fetch(`${server.url}/api/messages/${ann.user._id}`, { headers: { Authorization: `Bearer ${bob.accessToken}` } })).json()) as Message[]
  await bobSocket.timeout(patience).emitWithAck('conversation:read', { conversationWith: ann.user._id, lastReadMessageId: list.at(-1)?._id ?? '' })
  await upTo
  const reacted = heard(bobSocket, 'message:reaction')
  await call('POST', ann.accessToken, `messages/${message._id}/react`, { emoji: '👍' })
  await reacted
  const writes = [heard(bobSocket, 'typing'), heard(bobSocket, 'user_typing')]
  annSocket.emit('typing', { recipientId: bob.user._id, isTyping: true })
  await Promise.all(writes)
  const kept = heard(annSocket, 'draft:changed')
  await call('PUT', ann.accessToken, `messages/conversations/${bob.user._id}/draft`, { text: 'later' })
  await kept
  const invited = heard(bobSocket, 'group:updated')
  await call('POST', ann.accessToken, 'groupchats/create', { name: 'Both of us', memberIds: [bob.user._id] })
  const group = ((await invited) as GroupCard).groupChatId
  const inGroup = heard(bobSocket, 'group:message_new')
  await send(annSocket, { groupChatId: group, content: 'to both', _tempId: 'g1' })
  const told = (await inGroup) as Message
  const writesInGroup = heard(bobSocket, 'group:typing')
  annSocket.emit('typing', { groupChatId: group, isTyping: true })
  await writesInGroup
  const readInGroup = heard(annSocket, 'group:message_read')
  await call('PUT', bob.accessToken, `groupchats/${group}/last-read`, { messageId: told._id })
  await readInGroup
  const goneInGroup = heard(bobSocket, 'group:message_deleted')
  await call('PUT', ann.accessToken, `messages/${told._id}`, { content: 'to both of us' })
  await call('DELETE', ann.accessToken, `messages/${told._id}?deleteForAll=true`)
  await goneInGroup
  const removed = heard(bobSocket, 'group:removed')
  await call('POST', ann.accessToken, `groupchats/${group}/remove-member`, { memberId: bob.user._id })
  await removed
  const deleted = heard(bobSocket, 'message:deleted')
  await call('PUT', ann.accessToken, `messages/${message._id}`, { content: 'edited' })
  await call('DELETE', ann.accessToken, `messages/${message._id}?deleteForAll=true`)
  await deleted
  const failed = heard(annSocket, 'message:error')
  await annSocket.timeout(patience).emitWithAck('send_message', { recipientId: bob.user._id, content: ' ', _tempId: '3' })
  await failed
  const pong = heard(annSocket, 'pong')
  Reflect.apply(annSocket.emit, annSocket, ['ping', {}]) // the types want an acknowledgement, in whose place this asks for the event
  await pong
  const refused = heard(annSocket, 'room:error')
  annSocket.emit('join', bob.user._id as never)
  await refused
  const ended = [heard(bobSocket, 'force_logout'), heard(annSocket, 'user_offline')]
  await call('POST', bob.accessToken, 'auth/logout')
  await Promise.all([...ended, ...came])
  const tooMany = heard(annSocket, 'connection_limit')
  for (let i = 0; i < maxConnections; i++) client({ token: ann.accessToken })
  await tooMany

  for (const check of checks) check()
  expect(wrong).toEqual([])
  expect([...met].sort()).toEqual(Object.keys(fromServer).sort())
})

test.each([[['polling']], [['polling', 'websocket']]])('people sign up, talk and recover over %j', async (transports) => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect({ token: ann.accessToken }, { transports }), await connect({ token: bob.accessToken }, { transports })]
  const inbox = new Inbox(bobSocket)
  const want = Array.from({ length: 20 }, (_, i) => `text ${i}`)
  for (const content of want.slice(0, 10)) await send(annSocket, { recipientId: bob.user._id, content, _tempId: content })
  await inbox.holds(want.slice(0, 10))
  await vi.waitFor(() => expect(bobSocket.io.engine.transport.name).toBe(transports.at(-1)), patience)
  bobSocket.disconnect()
  for (const content of want.slice(10)) await send(annSocket, { recipientId: bob.user._id, content, _tempId: content })

  bobSocket.connect()

  await inbox.holds(want)
  expect(bobSocket.recovered).toBe(true)
})

test('with POLLING=false only WebSocket is served', async () => {
  const strict = await Server.start(1_000, { POLLING: 'false' })
  try {
    const response = await fetch(`${strict.url}/socket.io/?EIO=4&transport=polling`)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ code: 0, message: 'Transport unknown' })
    const ann = await signUp(strict)
    const socket = await connect({ token: ann.accessToken }, {}, strict)
    expect(socket.io.engine.transport.name).toBe('websocket')
    socket.close()
  } finally {
    await strict.remove()
  }
})
