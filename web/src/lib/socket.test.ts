import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { answers } from '../wire/examples.gen'
import { Session } from './session'
import { openLink, type Link } from './socket'

/** A socket that never reaches a server; it only counts how often it is told to connect. */
const sockets = vi.hoisted(() => {
  class Still {
    connects = 0
    closed = false
    readonly heard = new Map<string, (...args: string[]) => void>()
    on = (name: string, listener: () => void) => this.heard.set(name, listener)
    connect = () => this.connects++
    close = () => (this.closed = true)
  }
  const made: Still[] = []
  return { made, io: () => made[made.push(new Still()) - 1] }
})
vi.mock('socket.io-client', () => ({ io: sockets.io }))

/** Is somebody else whenever it is logged into; renews at once, or when the test says so. */
class Known extends Session {
  renewed: Promise<string> = Promise.resolve('token')

  override renew(): Promise<string> {
    return this.renewed
  }

  enter(id: string): Link {
    this.state.set({ state: 'in', user: { ...answers['POST /api/refresh'].user, _id: id } })
    return openLink(this)
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  sockets.made.length = 0
})

test('a socket that the server closed connects again after a moment', async () => {
  new Known().enter('ann')

  sockets.made[0]?.heard.get('disconnect')?.('io server disconnect')
  await vi.advanceTimersByTimeAsync(1_000)

  expect(sockets.made[0]?.connects).toBe(1)
})

test('a logout and the next login within that moment leave the closed socket closed', async () => {
  const session = new Known()
  const link = session.enter('ann')
  sockets.made[0]?.heard.get('disconnect')?.('io server disconnect')
  await vi.advanceTimersByTimeAsync(500)

  session.end()
  link.close()
  session.enter('bob')
  await vi.advanceTimersByTimeAsync(10_000)

  expect(sockets.made.map((s) => [s.connects, s.closed])).toEqual([
    [0, true],
    [0, false],
  ])
})

test('a renewal that ends after the close opens nothing', async () => {
  const session = new Known()
  let renewed = (_token: string): void => undefined
  session.renewed = new Promise((resolve) => (renewed = resolve))
  const link = session.enter('ann')
  sockets.made[0]?.heard.get('disconnect')?.('io server disconnect')

  link.close()
  session.enter('bob')
  renewed('token of bob')
  await vi.advanceTimersByTimeAsync(10_000)

  expect(sockets.made[0]?.connects).toBe(0)
})
