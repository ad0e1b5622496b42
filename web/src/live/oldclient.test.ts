import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type {
  Account, Answered, ClientToServer, Conversation, LoggedIn, Message, Profile, Refreshed, ServerToClient, SignedUp, Unread,
} from '../wire/wire.gen'
import { checkAck, checkAnswer, hold } from './contract'
import { Server } from './server'

// The former page's way through the server, call by call and in its order, with what it reads of each answer.

const password = 'Correct-Horse-7'
const person = { _id: expect.stringMatching(/^[0-9a-f]{24}$/) as string, username: expect.any(String) as string, profilePhoto: expect.any(String) as string }
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string

let server: Server
const pages: Page[] = []
beforeAll(async () => {
  server = await Server.start()
})
afterEach(() => {
  const opened = pages.splice(0)
  for (const page of opened) page.socket?.close()
  for (const page of opened) page.kept()
})
afterAll(() => server.remove())

let people = 0

/** One tab of the former page: a token in memory, a refresh cookie, a socket. */
class Page {
  token = ''
  cookie = ''
  socket: Socket<ServerToClient, ClientToServer> | undefined
  kept = (): void => undefined

  constructor(readonly username: string) {
    pages.push(this)
  }

  async call(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const headers: Record<string, string> = { 'X-Frontend-Version': '1.0.0' }
    if (body) headers['Content-Type'] = 'application/json'
    if (this.token) headers['Authorization'] = `Bearer ${this.token}`
    if (this.cookie) headers['Cookie'] = this.cookie
    const response = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    const cookie = response.headers.getSetCookie().find((c) => c.startsWith('refreshToken='))
    if (cookie) this.cookie = cookie.split(';')[0] ?? ''
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    return { status: response.status, body: await response.json() }
  }

  /** Calls a route that exists; pattern names it in the contract. */
  async get<A>(method: string, path: string, pattern: string, body?: object): Promise<Answered<A>> {
    const got = await this.call(method, path, body)
    expect(got.status, `${method} ${path} answered ${JSON.stringify(got.body)}`).toBeLessThan(300)
    checkAnswer(method, pattern, got.status, got.body)
    return got.body as Answered<A>
  }

  /** Calls what is not there yet: 404 and a sentence, whatever the token. */
  async absent(...calls: string[]): Promise<void> {
    for (const call of calls) {
      const [method = '', path = ''] = call.split(' ')
      const got = await this.call(method, path, method === 'GET' ? undefined : {})
      expect(got, call).toMatchObject({ status: 404, body: { message: `API endpoint not found: ${method} ${path.split('?')[0]}` } })
    }
  }

  /** Connects as socket.js does. */
  async connect(): Promise<void> {
    this.socket = io(server.url, {
      auth: { token: this.token }, transports: ['websocket', 'polling'], reconnection: true, reconnectionAttempts: 10,
      reconnectionDelay: 50, reconnectionDelayMax: 200, timeout: 20_000, withCredentials: true, forceNew: true,
    })
    this.kept = hold(this.socket)
    await Promise.all([this.heard('room:joined'), this.heard('online_users')])
  }

  live(): Socket<ServerToClient, ClientToServer> {
    if (!this.socket) throw new Error('not connected')
    return this.socket
  }

  heard<E extends keyof ServerToClient>(event: E, wanted: (payload: Parameters<ServerToClient[E]>[0]) => boolean = () => true): Promise<Parameters<ServerToClient[E]>[0]> {
    return new Promise((resolve) => {
      const listen = (payload: Parameters<ServerToClient[E]>[0]) => {
        if (!wanted(payload)) return
        this.live().off(event, listen as never)
        resolve(payload)
      }
      // The library's types do not follow a generic event name.
      this.live().on(event, listen as never)
    })
  }

  /** Sends as the composer does: a ping that must come back in 3 s, the message, and message:sent by its temporary name. */
  async send(to: string, content: string): Promise<Message> {
    const _tempId = `temp_${Date.now()}_${(people++).toString(36).padStart(9, '0')}`
    const pong = await this.live().timeout(3_000).emitWithAck('ping', {})
    checkAck('ping', pong)
    expect(pong).toMatchObject({ status: 'ok', timestamp: expect.any(Number) as number })
    const sent = this.heard('message:sent', (m) => m._tempId === _tempId)
    const message = { recipientId: to, content, attachment: null, voiceNote: null, contentWarning: '', _tempId }
    const ack = await this.live().timeout(30_000).emitWithAck('send_message', message)
    checkAck('send_message', ack)
    expect(ack).toMatchObject({ success: true, _tempId })
    return sent
  }
}

async function signUp(): Promise<Page> {
  const page = new Page(`former_${Date.now().toString(36)}_${people++}`)
  const form = { fullName: 'Some Person', username: page.username, email: `${page.username}@example.com`, password, birthday: '1990-01-31' }
  page.token = (await page.get<SignedUp>('POST', '/api/auth/signup', '/api/auth/signup', form)).accessToken
  return page
}

/** The user id as the page reads it from the token. */
const owner = (token: string) => (JSON.parse(atob(token.split('.')[1] ?? '')) as { userId: string }).userId

test('a page loads, logs in, loads again and is still logged in', async () => {
  const { username } = await signUp()
  const page = new Page(username)
  const version = await page.get<object>('GET', '/api/version/status', '/api/version/status')
  expect(version).toMatchObject({ pwaEnabled: true, forceReload: false, maintenanceMode: false, message: null })
  expect(await page.call('POST', '/api/refresh', {})).toMatchObject({ status: 401, body: { message: 'Refresh token required' } })

  const login = await page.get<LoggedIn>('POST', '/api/auth/login', '/api/auth/login', { email: `${username}@example.com`, password })

  expect(login).toMatchObject({ success: true, user: { username, showTour: false } })
  expect(login.user?._id).toBe(login.user?.id)
  expect(page.cookie).toMatch(/^refreshToken=./)

  const reloaded = new Page(username)
  reloaded.cookie = page.cookie
  const refreshed = await reloaded.get<Refreshed>('POST', '/api/refresh', '/api/refresh', {})
  reloaded.token = refreshed.accessToken
  expect(reloaded.cookie).not.toBe(page.cookie)
  const me = await reloaded.get<Account>('GET', '/api/auth/me', '/api/auth/me')
  expect(me._id).toBe(owner(refreshed.accessToken))
  expect(me).toMatchObject({ id: me._id, username, showTour: false })
  await reloaded.connect()
})

test('what a page asks for besides and is not there answers 404, never 401', async () => {
  const page = await signUp()
  const calls = [
    'GET /api/posts?filter=followers&page=1&limit=20', 'GET /api/auth/onboarding/quiet-return', 'POST /api/login-approval/request',
    'GET /api/login-approval/pending', 'POST /api/auth/verify-push-login', 'GET /api/passkey/list',
  ]
  await page.absent(...calls)
  page.token = 'expired'
  await page.absent(...calls)
  page.token = ''
  await page.absent(...calls)
})

test('the conversations page: list, thread, person, reading, sending', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annID, bobID] = [owner(ann.token), owner(bob.token)]
  await Promise.all([ann.connect(), bob.connect()])
  expect(await bob.get<Unread>('GET', '/api/messages/unread/counts', '/api/messages/unread/counts')).toMatchObject({ totalUnread: 0, unreadByUser: [] })

  const arrived = bob.heard('message:new')
  const sent = await ann.send(bobID, 'Hello <3 & welcome')
  expect(sent).toMatchObject({ sender: { ...person, _id: annID }, recipient: { ...person, _id: bobID }, content: 'Hello <3 & welcome', createdAt: time, groupChat: null })
  expect(await arrived).toMatchObject({ _id: sent._id, sender: { ...person, _id: annID }, recipient: { ...person, _id: bobID }, content: 'Hello <3 & welcome' })

  const [list, groups] = await Promise.all([
    bob.get<Conversation[]>('GET', '/api/messages/list', '/api/messages/list'),
    bob.get<unknown[]>('GET', '/api/groupChats', '/api/groupchats'),
  ])
  expect(groups).toEqual([])
  expect(list).toMatchObject([{ _id: annID, unread: 1, unreadCount: 1, otherUser: { ...person, _id: annID }, lastMessage: { _id: sent._id, sender: annID, content: sent.content } }])
  const counts = await bob.get<Unread>('GET', '/api/messages/unread/counts', '/api/messages/unread/counts')
  expect(counts).toMatchObject({ totalUnread: 1, unreadByUser: [{ userId: annID, username: ann.username, count: 1 }] })

  const thread = await bob.get<Message[]>('GET', `/api/messages/${annID}?limit=50`, '/api/messages/{userId}')
  expect(thread).toMatchObject([{ _id: sent._id, sender: { ...person, _id: annID }, read: false, createdAt: time }])
  const profile = await bob.get<Profile>('GET', `/api/users/${annID}`, '/api/users/{identifier}')
  expect(profile).toMatchObject({ _id: annID, username: ann.username, isActive: true, isDeleted: false, hasBlockedCurrentUser: false })
  for (const secret of ['email', 'password', 'birthday', 'activeSessions', 'twoFactorSecret']) expect(profile).not.toHaveProperty(secret)
  const read = ann.heard('message:read')
  for (const message of thread.filter((m) => m.sender._id === annID && !m.read)) {
    await bob.get('PUT', `/api/messages/${message._id}/read`, '/api/messages/{id}/read')
  }
  expect(await read).toMatchObject({ messageId: sent._id, readBy: bobID })
  await bob.get('DELETE', `/api/messages/conversations/${annID}/mark-unread`, '/api/messages/conversations/{userId}/mark-unread')
  expect(await bob.get<Conversation[]>('GET', '/api/messages/list', '/api/messages/list')).toMatchObject([{ _id: annID, unread: 0 }])

  await bob.send(annID, 'and to you')
  const both = await ann.get<Message[]>('GET', `/api/messages/${bobID}?limit=50`, '/api/messages/{userId}')
  expect(both.map((m) => m.content)).toEqual(['Hello <3 & welcome', 'and to you'])
})

test('without a socket a message goes by REST and arrives', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annID, bobID] = [owner(ann.token), owner(bob.token)]
  await bob.connect()
  const arrived = bob.heard('message:new')

  const posted = await ann.get<Message>('POST', '/api/messages', '/api/messages', { recipient: bobID, content: 'by post', attachment: null, voiceNote: null, contentWarning: '' })

  expect(posted).toMatchObject({ sender: { ...person, _id: annID }, recipient: { ...person, _id: bobID }, content: 'by post', createdAt: time })
  expect((await arrived)._id).toBe(posted._id)
})

test('after a broken connection the page joins again, asks who is online, and can send', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  const [annID, bobID] = [owner(ann.token), owner(bob.token)]
  await Promise.all([ann.connect(), bob.connect()])
  const socket = ann.live()
  const back = new Promise<void>((resolve) => socket.io.once('reconnect', () => resolve()))
  const greeted = ann.heard('room:joined', (room) => room.autoJoined === true)

  socket.io.engine.close()
  await Promise.all([back, greeted])

  for (const join of [annID, { room: `user_${annID}` }, { userId: annID }]) {
    const joined = ann.heard('room:joined')
    socket.emit('join', join as never)
    expect(await joined).toEqual({ room: `user_${annID}`, userId: annID, socketId: socket.id })
  }
  const [online, again] = [ann.heard('online_users'), ann.heard('room:joined')]
  socket.emit('get_online_users', {})
  expect(await online).toEqual(expect.arrayContaining([annID, bobID]))
  await again
  await ann.send(bobID, 'still here')
})

test('whoever comes is told by both families of events', async () => {
  const [ann, bob] = [await signUp(), await signUp()]
  await ann.connect()
  const userId = owner(bob.token)
  const told = Promise.all([ann.heard('presence:update', (p) => p.userId === userId), ann.heard('user_online', (p) => p.userId === userId)])

  await bob.connect()

  expect(await told).toEqual([{ userId, online: true }, { userId }])
})

test('paths are found in any case and with a slash at the end', async () => {
  const page = await signUp()
  for (const [path, pattern] of [
    ['/api/groupchats', '/api/groupchats'], ['/api/groupChats/', '/api/groupchats'], ['/API/Messages/List/', '/api/messages/list'],
    ['/api/messages/', '/api/messages'], ['/api/messages/conversations', '/api/messages/conversations'], ['/api/Auth/Me', '/api/auth/me'],
  ] as const) {
    await page.get('GET', path, pattern)
  }
})

test('the tour is put away', async () => {
  const page = await signUp()
  for (const path of ['/api/auth/tour/skip', '/api/auth/tour/complete', '/api/auth/onboarding/remind-later']) {
    expect(await page.get('POST', path, path, {})).toMatchObject({ success: true })
  }
})

test('logging out ends the session, the other tabs and the cookie', async () => {
  const page = await signUp()
  await page.connect()
  const tab = new Page(page.username)
  tab.token = page.token
  await tab.connect()
  const forced = tab.heard('force_logout')
  const gone = new Promise<string>((resolve) => tab.live().once('disconnect', resolve))
  const cookie = page.cookie

  page.live().disconnect()
  const out = await page.get('POST', '/api/auth/logout', '/api/auth/logout', {})

  expect(out).toMatchObject({ success: true, message: 'Logged out successfully' })
  expect(await forced).toMatchObject({ reason: 'Logged out' })
  expect(await gone).toBe('io server disconnect')
  expect(page.cookie).toBe('refreshToken=')
  page.cookie = cookie
  expect((await page.call('POST', '/api/refresh', {})).status).toBe(401)
  expect((await page.call('GET', '/api/auth/me')).status).toBe(401)
})
