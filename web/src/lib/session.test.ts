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
const refused = { status: 401, body: problem }
const away = { status: 503, body: problem }
const lost = { status: 0, body: {} }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('the cookie brings back who is logged in', async () => {
  serve(fresh(1))
  const session = new Session()

  await session.start()

  expect(session.state.get()).toEqual({ state: 'in', user: answers['POST /api/refresh'].user })
})

test('without a login nobody is told of an end', async () => {
  serve(refused)
  const session = new Session()

  await session.start()

  expect(session.state.get()).toEqual({ state: 'out' })
})

test('a server in trouble logs nobody out: it is asked until it answers', async () => {
  const asked = serve(away, lost, fresh(1))
  const session = new Session()

  const started = session.start()
  await vi.advanceTimersByTimeAsync(1)
  expect(session.state.get()).toEqual({ state: 'unreachable' })
  await vi.advanceTimersByTimeAsync(10_000)
  await started

  expect(session.state.get().state).toBe('in')
  expect(asked).toHaveLength(3)
})

test('a token that is no longer taken is renewed once, by one request for all who ask', async () => {
  const asked = serve(fresh(1), refused, refused, fresh(2), { status: 200, body: answers['GET /api/messages/conversations'] })
  const session = new Session()
  await session.start()

  const both = await Promise.all([session.call('GET /api/messages/conversations', {}), session.call('GET /api/messages/conversations', {})])

  expect(both.map((r) => r.body)).toEqual([answers['GET /api/messages/conversations'], answers['GET /api/messages/conversations']])
  expect(asked.filter((a) => a === 'POST /api/refresh')).toHaveLength(2)
  expect(asked.slice(-2)).toEqual(Array(2).fill(`GET /api/messages/conversations Bearer ${token(2)}`))
})

test('a token is renewed before it ends', async () => {
  serve(fresh(1), fresh(2))
  const session = new Session()
  await session.start()

  expect(await session.token()).toBe(token(1))
  await vi.advanceTimersByTimeAsync(14.6 * 60_000)

  expect(await session.token()).toBe(token(2))
})

test('a session that the server ended is over, with a word about it', async () => {
  serve(fresh(1), refused)
  const session = new Session()
  await session.start()

  await expect(session.call('GET /api/messages/conversations', {})).rejects.toThrow()

  expect(session.state.get()).toEqual({ state: 'out', reason: 'Your session has ended. Please log in again.' })
})

test('a logout that did not reach the server has not happened', async () => {
  serve(fresh(1), lost)
  const session = new Session()
  await session.start()

  await expect(session.logOut()).rejects.toThrow('The server cannot be reached.')

  expect(session.state.get().state).toBe('in')
})

test('after a logout nothing is left', async () => {
  serve(fresh(1), { status: 200, body: answers['POST /api/auth/logout'] }, refused)
  const session = new Session()
  await session.start()

  await session.logOut()

  expect(session.state.get()).toEqual({ state: 'out' })
  await expect(session.token()).rejects.toThrow()
})
