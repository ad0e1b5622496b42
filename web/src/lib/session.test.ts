import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { answers, problem } from '../wire/examples.gen'
import { Session } from './session'

/** A server whose answers stand in a row, one for each request; the last one stays. */
function serve(...replies: { status: number; body: object }[]): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (path: string, { method, headers }: { method: string; headers: Record<string, string> }) => {
    asked.push(`${method} ${path} ${headers['Authorization'] ?? ''}`.trim())
    const reply = replies.length > 1 ? replies.shift() : replies[0]
    if (!reply || reply.status === 0) throw new TypeError('network')
    return new Response(JSON.stringify(reply.body), { status: reply.status })
  })
  return asked
}

/** An access token that lives 15 minutes. */
const token = (n: number) => `h.${btoa(JSON.stringify({ iat: 1_000, exp: 1_900, n }))}.s`
const fresh = (n: number) => ({ status: 200, body: { ...answers['POST /api/refresh'], accessToken: token(n) } })
const refused = { status: 401, body: { ...problem, code: 'UNAUTHORIZED' } }
const wrongPassword = { status: 401, body: { ...problem, code: 'INVALID_PASSWORD' } }
const away = { status: 503, body: problem }
const lost = { status: 0, body: {} }
const always = new AbortController().signal

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('the cookie brings back who is logged in', async () => {
  serve(fresh(1))
  const session = new Session()

  await session.start(always)

  expect(session.state.get()).toEqual({ state: 'in', user: answers['POST /api/refresh'].user })
})

test('without a login nobody is told of an end', async () => {
  serve(refused)
  const session = new Session()

  await session.start(always)

  expect(session.state.get()).toEqual({ state: 'out' })
})

test('a server in trouble logs nobody out: it is asked until it answers', async () => {
  const asked = serve(away, lost, fresh(1))
  const session = new Session()

  const started = session.start(always)
  await vi.advanceTimersByTimeAsync(1)
  expect(session.state.get()).toEqual({ state: 'unreachable' })
  await vi.advanceTimersByTimeAsync(10_000)
  await started

  expect(session.state.get().state).toBe('in')
  expect(asked).toHaveLength(3)
})

test('who no longer wants to know stops the asking, and another start goes on alone', async () => {
  const asked = serve(away, away, fresh(1))
  const session = new Session()
  const stop = new AbortController()

  const stopped = session.start(stop.signal)
  stop.abort()
  const started = session.start(always)
  await stopped
  await vi.advanceTimersByTimeAsync(10_000)
  await started

  expect(session.state.get().state).toBe('in')
  expect(asked).toHaveLength(3)
})

test('a start that is stopped while it waits asks no more', async () => {
  const asked = serve(away)
  const session = new Session()
  const stop = new AbortController()
  const stopped = session.start(stop.signal)
  await vi.advanceTimersByTimeAsync(1)

  stop.abort()
  await stopped
  await vi.advanceTimersByTimeAsync(60_000)

  expect(asked).toHaveLength(1)
})

test('a wrong password is no dead token: it is sent once and logs nobody out', async () => {
  const asked = serve(fresh(1), wrongPassword)
  const session = new Session()
  await session.start(always)

  await expect(session.call('POST /api/2fa/disable', { body: { password: 'wrong' } })).rejects.toMatchObject({ code: 'INVALID_PASSWORD' })

  expect(asked.slice(1)).toEqual([`POST /api/2fa/disable Bearer ${token(1)}`])
  expect(session.state.get().state).toBe('in')
})

test('a renewal that ends after the next person has logged in changes nothing for them', async () => {
  serve(fresh(1))
  const session = new Session()
  await session.start(always)
  let answer = (_late: Response): void => undefined
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => (answer = resolve)))
  const late = session.renew().catch((error: unknown) => error)

  session.end()
  const next = { ...answers['POST /api/auth/signup'], accessToken: token(9), user: { ...answers['POST /api/auth/signup'].user, _id: 'next' } }
  serve({ status: 201, body: next })
  await session.signUp({})
  answer(new Response(JSON.stringify(fresh(2).body)))

  expect(await late).toBeInstanceOf(Error)
  expect(session.state.get()).toMatchObject({ state: 'in', user: { _id: 'next' } })
  expect(await session.token()).toBe(token(9))
})

test('a token that is no longer taken is renewed once, by one request for all who ask', async () => {
  const asked = serve(fresh(1), refused, refused, fresh(2), { status: 200, body: answers['GET /api/messages/conversations'] })
  const session = new Session()
  await session.start(always)

  const both = await Promise.all([session.call('GET /api/messages/conversations', {}), session.call('GET /api/messages/conversations', {})])

  expect(both.map((r) => r.body)).toEqual([answers['GET /api/messages/conversations'], answers['GET /api/messages/conversations']])
  expect(asked.filter((a) => a === 'POST /api/refresh')).toHaveLength(2)
  expect(asked.slice(-2)).toEqual(Array(2).fill(`GET /api/messages/conversations Bearer ${token(2)}`))
})

test('a token is renewed before it ends', async () => {
  serve(fresh(1), fresh(2))
  const session = new Session()
  await session.start(always)

  expect(await session.token()).toBe(token(1))
  await vi.advanceTimersByTimeAsync(14.6 * 60_000)

  expect(await session.token()).toBe(token(2))
})

test('a session that the server ended is over, with a word about it', async () => {
  serve(fresh(1), refused)
  const session = new Session()
  await session.start(always)

  await expect(session.call('GET /api/messages/conversations', {})).rejects.toThrow()

  expect(session.state.get()).toEqual({ state: 'out', reason: 'Your session has ended. Please log in again.' })
})

test('a logout that did not reach the server has not happened', async () => {
  serve(fresh(1), lost)
  const session = new Session()
  await session.start(always)

  await expect(session.logOut()).rejects.toThrow('The server cannot be reached.')

  expect(session.state.get().state).toBe('in')
})

test('after a logout nothing is left', async () => {
  serve(fresh(1), { status: 200, body: answers['POST /api/auth/logout'] }, refused)
  const session = new Session()
  await session.start(always)

  await session.logOut()

  expect(session.state.get()).toEqual({ state: 'out' })
  await expect(session.token()).rejects.toThrow()
})
