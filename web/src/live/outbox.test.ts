import { io } from 'socket.io-client'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'

import { Outbox } from '../features/messages/outbox'
import { deliver, type AppSocket } from '../lib/socket'
import { bodies } from '../wire/examples.gen'
import type { Message, SignedUp } from '../wire/wire.gen'
import { Server } from './server'

async function signUp(username: string): Promise<SignedUp> {
  const body = JSON.stringify({ ...bodies['POST /api/auth/signup'], username, email: `${username}@example.com`, password: 'Correct-Horse-7' })
  const response = await fetch(`${server.url}/api/auth/signup`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  expect(response.status).toBe(201)
  return (await response.json()) as SignedUp
}

let server: Server
beforeAll(async () => {
  server = await Server.start(1)
})
afterAll(() => server.remove())

test('what the page wrote while it was away passes the usual budget in order and completely', async () => {
  const [ann, bob] = [await signUp('ann_away'), await signUp('bob_here')]
  const socket: AppSocket = io(server.url, { transports: ['websocket'], auth: { token: ann.accessToken }, autoConnect: false, forceNew: true })
  onTestFinished(() => void socket.close())
  const refusals: string[] = []
  const outbox = new Outbox({
    connected: () => socket.connected,
    deliver: async (message) => {
      const reply = await deliver(socket, message)
      if ('error' in reply) refusals.push(reply.code)
      return reply
    },
  })
  socket.on('message:sent', (message) => outbox.shown(message))
  socket.on('room:joined', () => outbox.resume())
  const texts = Array.from({ length: 15 }, (_, i) => `text ${i}`)
  for (const text of texts) outbox.send(bob.user._id, text)

  socket.connect()
  await vi.waitFor(() => expect(outbox.pending.get()).toEqual([]), 15_000)

  const response = await fetch(`${server.url}/api/messages/${bob.user._id}`, { headers: { Authorization: `Bearer ${ann.accessToken}` } })
  const stored = (await response.json()) as Message[]
  expect(stored.map((m) => m.content)).toEqual(texts)
  expect(new Set(refusals)).toEqual(new Set(['RATE_LIMITED']))
})
