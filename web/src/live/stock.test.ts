import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ClientToServer, Message, NewMessage, Reply, Sent, ServerToClient, SignedUp, Sync } from '../wire/wire.gen'
import { checkAck, checkAnswer, hold } from './contract'
import { Server } from './server'

type Client = Socket<ServerToClient, ClientToServer>

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

async function signUp(): Promise<SignedUp> {
  const username = `person_${Date.now().toString(36)}_${people++}`
  const response = await fetch(`${server.url}/api/auth/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      fullName: 'Some Person',
      username,
      email: `${username}@example.com`,
      password: 'Correct-Horse-7',
      birthday: '1990-01-31',
    }),
  })
  const body: unknown = await response.json()
  checkAnswer('POST', '/api/auth/signup', response.status, body)
  expect(response.status).toBe(201)
  return body as SignedUp
}

function client(token: string): Client {
  const socket: Client = io(server.url, {
    transports: ['websocket'],
    auth: { token },
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  })
  open.set(socket, hold(socket))
  return socket
}

async function connect(token: string): Promise<Client> {
  const socket = client(token)
  await heard(socket, 'room:joined')
  return socket
}

function heard<E extends keyof ServerToClient>(socket: Client, event: E): Promise<Parameters<ServerToClient[E]>[0]> {
  return new Promise((resolve) => {
    // The library's types do not follow a generic event name.
    socket.once(event, ((payload: Parameters<ServerToClient[E]>[0]) => resolve(payload)) as never)
  })
}

function send(socket: Client, message: NewMessage): Promise<Reply<Sent>> {
  return new Promise((resolve, reject) => {
    socket.timeout(10_000).emit('send_message', message, (error: Error | null, reply: Reply<Sent>) => {
      if (error) return reject(error)
      checkAck('send_message', reply)
      resolve(reply)
    })
  })
}

async function stored(token: string, withWhom: string): Promise<Message[]> {
  const response = await fetch(`${server.url}/api/messages/${withWhom}?limit=100`, { headers: { Authorization: `Bearer ${token}` } })
  const body: unknown = await response.json()
  checkAnswer('GET', '/api/messages/{userId}', response.status, body)
  expect(response.status).toBe(200)
  return body as Message[]
}

test('a message goes from one to the other, acknowledged before it is told to its sender', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect(ann.accessToken), await connect(bob.accessToken)]
  const order: string[] = []
  const arrived = heard(bobSocket, 'message:new')
  const told = heard(annSocket, 'message:sent').then((message) => {
    order.push('message:sent')
    return message
  })

  const ack = await send(annSocket, { recipientId: bob.user._id, content: 'Hello <3 & welcome', _tempId: 'temp_1' })
  order.push('ack')

  expect(ack).toMatchObject({ success: true, _tempId: 'temp_1' })
  const [fresh, sent] = [await arrived, await told]
  expect(order).toEqual(['ack', 'message:sent'])
  expect(fresh.content).toBe('Hello <3 & welcome')
  expect(fresh.sender.username).toBe(ann.user.username)
  expect(sent._tempId).toBe('temp_1')
  expect(await stored(bob.accessToken, ann.user._id)).toHaveLength(1)
})

test('every durable event carries an offset that sync takes', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect(ann.accessToken), await connect(bob.accessToken)]
  const offset = new Promise<string | undefined>((resolve) => bobSocket.once('message:new', (_, offset) => resolve(offset)))
  await send(annSocket, { recipientId: bob.user._id, content: 'one', _tempId: '1' })
  const since = await offset
  bobSocket.close()
  await send(annSocket, { recipientId: bob.user._id, content: 'two', _tempId: '2' })

  const response = await fetch(`${server.url}/api/sync?since=${since}`, { headers: { Authorization: `Bearer ${bob.accessToken}` } })

  const body: unknown = await response.json()
  checkAnswer('GET', '/api/sync', response.status, body)
  const sync = body as Sync
  expect(sync.reload).toBe(false)
  expect(sync.messages.map((m) => m.content)).toEqual(['two'])
})

test('what one socket sends at once is stored and told in that order', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annSocket, bobSocket] = [await connect(ann.accessToken), await connect(bob.accessToken)]
  const want = Array.from({ length: 60 }, (_, i) => `line ${i}`)
  const got: string[] = []
  const all = new Promise<void>((resolve) => {
    bobSocket.on('message:new', (message) => {
      got.push(message.content)
      if (got.length === want.length) resolve()
    })
  })

  const acks = await Promise.all(want.map((content, i) => send(annSocket, { recipientId: bob.user._id, content, _tempId: `t${i}` })))
  await all

  expect(acks.every((ack) => 'success' in ack)).toBe(true)
  expect(got).toEqual(want)
  expect((await stored(ann.accessToken, bob.user._id)).map((m) => m.content)).toEqual(want)
})

test('a token that will never work is refused for good', async () => {
  for (const [token, message] of [
    ['', 'Authentication required'],
    ['rubbish', 'Authentication error'],
  ] as const) {
    const socket = client(token)
    const error = await new Promise<Error>((resolve) => socket.once('connect_error', resolve))
    expect(error.message).toBe(message)
    expect(socket.active).toBe(false)
  }
})

test('a refusal comes in the acknowledgement and as message:error', async () => {
  const ann = await signUp()
  const socket = await connect(ann.accessToken)
  const failed = heard(socket, 'message:error')

  const ack = await send(socket, { recipientId: ann.user._id, content: '  ', _tempId: 'temp_9' })

  expect(ack).toMatchObject({ code: 'EMPTY_MESSAGE', _tempId: 'temp_9' })
  expect(await failed).toEqual(ack)
})

test('logging out closes the sockets of the session and ends the token', async () => {
  const ann = await signUp()
  const socket = await connect(ann.accessToken)
  const forced = heard(socket, 'force_logout')
  const gone = new Promise<string>((resolve) => socket.once('disconnect', resolve))

  const response = await fetch(`${server.url}/api/auth/logout`, { method: 'POST', headers: { Authorization: `Bearer ${ann.accessToken}` } })

  expect(response.status).toBe(200)
  expect(await forced).toEqual({ reason: 'Logged out', final: true })
  expect(await gone).toBe('io server disconnect')
  const again = client(ann.accessToken)
  const error = await new Promise<Error>((resolve) => again.once('connect_error', resolve))
  expect(error.message).toBe('Session has been logged out')
})

test('after kill -9 the client comes back, nothing acknowledged is lost, and a retry finds the first', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const annSocket = await connect(ann.accessToken)
  const message = { recipientId: bob.user._id, content: 'survives', _tempId: 'temp_kill' }
  const first = await send(annSocket, message)
  const back = heard(annSocket, 'room:joined')

  await server.end('SIGKILL')
  await server.run()
  await back
  const again = await send(annSocket, message)

  expect(again).toEqual({ ...first, duplicate: true })
  expect(await stored(bob.accessToken, ann.user._id)).toHaveLength(1)
})

test('SIGTERM finishes what was accepted, exits clean, and the client comes back', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const annSocket = await connect(ann.accessToken)
  const back = heard(annSocket, 'room:joined')
  const gone = new Promise<string>((resolve) => annSocket.once('disconnect', resolve))
  let acked = 0
  for (let i = 0; i < 40; i++) {
    annSocket.emit('send_message', { recipientId: bob.user._id, content: `${i}`, _tempId: `s${i}` }, () => acked++)
  }

  await new Promise((resolve) => setImmediate(resolve))
  const code = await server.end('SIGTERM')
  await server.run()
  await back

  expect(code).toBe(0)
  expect(await gone).toBe('transport close')
  // What was stored was acknowledged before the end; the rest is sent again and is there once.
  expect(await stored(bob.accessToken, ann.user._id)).toHaveLength(acked)
  for (let i = 0; i < 40; i++) await send(annSocket, { recipientId: bob.user._id, content: `${i}`, _tempId: `s${i}` })
  expect((await stored(bob.accessToken, ann.user._id)).map((m) => m.content)).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`))
})

test('the refresh cookie brings a new access token over a reload', async () => {
  const username = `cookie_${Date.now().toString(36)}`
  const response = await fetch(`${server.url}/api/auth/signup`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ fullName: 'Coo Kie', username, email: `${username}@example.com`, password: 'Correct-Horse-7', birthday: '1990-01-31' }),
  })
  const cookie = response.headers.get('set-cookie') ?? ''
  expect(cookie).toMatch(/^refreshToken=[^;]+; Path=\/; Max-Age=(2592000|2591999); HttpOnly; SameSite=Lax$/)

  const refreshed = await fetch(`${server.url}/api/refresh`, { method: 'POST', headers: { Cookie: cookie.split(';')[0] ?? '' } })

  expect(refreshed.status).toBe(200)
  const { accessToken } = (await refreshed.json()) as { accessToken: string }
  await connect(accessToken)
})
