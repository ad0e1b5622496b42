import { afterEach, expect, test, vi } from 'vitest'

import { acks, fromServer } from '../../wire/examples.gen'
import type { NewMessage, Reply, Sent } from '../../wire/wire.gen'
import { Outbox } from './outbox'

/** A post whose answers the test gives. */
function scripted() {
  const asked: { message: NewMessage; answer(reply: Reply<Sent>): void; lose(): void }[] = []
  const post = {
    up: true,
    asked,
    connected: () => post.up,
    deliver: (message: NewMessage) =>
      new Promise<Reply<Sent>>((resolve, reject) => asked.push({ message, answer: resolve, lose: () => reject(new Error('lost')) })),
  }
  let names = 0
  const outbox = new Outbox(post, () => `t${++names}`)
  const states = () => outbox.pending.get().map((p) => [p.content, p.state])
  return { post, outbox, asked, states }
}

const settled = () => new Promise((resolve) => setTimeout(resolve))
const stored = (id: string): Reply<Sent> => ({ ...acks.send_message, messageId: id })
const tooMany: Reply<Sent> = { ...fromServer['message:error'], code: 'RATE_LIMITED' }

afterEach(() => void vi.useRealTimers())

test('a message is sending, then stored, then shown by the server and gone from here', async () => {
  const { outbox, asked, states } = scripted()

  outbox.send('bob', 'hi')
  expect(states()).toEqual([['hi', 'sending']])
  expect(asked[0]?.message).toEqual({ recipientId: 'bob', content: 'hi', _tempId: 't1' })
  asked[0]?.answer({ ...acks.send_message, _tempId: 't1' })
  await settled()
  expect(states()).toEqual([['hi', 'stored']])
  outbox.shown({ ...fromServer['message:sent'], _tempId: 't1' })
  expect(states()).toEqual([])
})

test('a refusal is shown in the server’s words, and a retry goes under the same name', async () => {
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  asked[0]?.answer(fromServer['message:error'])
  await settled()
  expect(outbox.pending.get()[0]).toMatchObject({ state: 'failed', why: fromServer['message:error'].message })

  outbox.retry('t1')

  expect(states()).toEqual([['hi', 'sending']])
  expect(asked.map((a) => a.message._tempId)).toEqual(['t1', 't1'])
})

test('what is written without a connection is sent with the next one, each after the answer to the one before', async () => {
  const { post, outbox, asked, states } = scripted()
  post.up = false
  outbox.send('bob', 'one')
  outbox.send('bob', 'two')
  expect(asked).toEqual([])
  expect(states()).toEqual([
    ['one', 'sending'],
    ['two', 'sending'],
  ])

  post.up = true
  outbox.resume()
  outbox.resume()
  expect(asked.map((a) => a.message._tempId)).toEqual(['t1'])
  asked[0]?.answer(stored('m1'))
  await settled()

  expect(asked.map((a) => a.message._tempId)).toEqual(['t1', 't2'])
})

test('a server that takes ten at once and five a second gets fifteen messages in order, and refuses none for good', async () => {
  vi.useFakeTimers()
  const got: string[] = []
  let refusals = 0
  const start = Date.now()
  const full = () => got.length >= 10 + 5 * Math.floor((Date.now() - start) / 1_000)
  const post = {
    up: false,
    connected: () => post.up,
    deliver: async ({ content }: NewMessage): Promise<Reply<Sent>> => {
      if (full()) {
        refusals++
        return tooMany
      }
      return stored(`m${got.push(content ?? '')}`)
    },
  }
  const outbox = new Outbox(post)
  const texts = Array.from({ length: 15 }, (_, i) => `text ${i}`)
  for (const text of texts) outbox.send('bob', text)

  post.up = true
  outbox.resume()
  await vi.advanceTimersByTimeAsync(0)
  expect(outbox.pending.get().map((p) => p.state)).toEqual([...Array<string>(10).fill('stored'), ...Array<string>(5).fill('sending')])
  await vi.advanceTimersByTimeAsync(1_000)

  expect(got).toEqual(texts)
  expect(outbox.pending.get().every((p) => p.state === 'stored')).toBe(true)
  expect(refusals).toBe(1)
})

test('who is refused for a long time asks ever more seldom, but goes on', async () => {
  vi.useFakeTimers()
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    const before = asked.length
    asked.at(-1)?.answer(tooMany)
    await vi.advanceTimersByTimeAsync(1_000 * seconds - 1)
    expect(asked).toHaveLength(before)
    await vi.advanceTimersByTimeAsync(1)
    expect(asked).toHaveLength(before + 1)
  }

  asked.at(-1)?.answer(stored('m1'))
  await vi.advanceTimersByTimeAsync(0)

  expect(states()).toEqual([['hi', 'stored']])
})

test('a connection that is lost while the server has too many leaves what waits to the next one', async () => {
  vi.useFakeTimers()
  const { post, outbox, asked } = scripted()
  outbox.send('bob', 'hi')
  asked[0]?.answer(tooMany)
  post.up = false
  await vi.advanceTimersByTimeAsync(60_000)
  expect(asked).toHaveLength(1)

  post.up = true
  outbox.resume()

  expect(asked.map((a) => a.message._tempId)).toEqual(['t1', 't1'])
})

test('a connection that is lost before the answer leaves the message waiting under its name', async () => {
  const { post, outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  post.up = false
  asked[0]?.lose()
  await settled()
  expect(states()).toEqual([['hi', 'sending']])

  post.up = true
  outbox.resume()
  asked[1]?.answer({ ...acks.send_message, _tempId: 't1', duplicate: true })
  await settled()

  expect(asked[1]?.message._tempId).toBe('t1')
  expect(states()).toEqual([['hi', 'stored']])
})

test('no answer over a standing connection is a failure that can be tried again', async () => {
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  asked[0]?.lose()
  await settled()

  expect(states()).toEqual([['hi', 'failed']])
})

test('what the server has shown stays shown, whatever becomes of the answer', async () => {
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  outbox.shown({ ...fromServer['message:sent'], _tempId: 't1' })

  asked[0]?.lose()
  await settled()

  expect(states()).toEqual([])
})

test('an answered message whose showing was lost is gone from here once the server has shown or deleted it', async () => {
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'one')
  asked[0]?.answer(stored('m1'))
  await settled()
  outbox.send('bob', 'two')

  outbox.settled(new Set(['m1', 'm2']))

  expect(states()).toEqual([['two', 'sending']])
})

test('a retry is for what failed alone', async () => {
  const { outbox, asked, states } = scripted()
  outbox.send('bob', 'hi')
  asked[0]?.answer(stored('m1'))
  await settled()

  outbox.retry('t1')

  expect(states()).toEqual([['hi', 'stored']])
  expect(asked).toHaveLength(1)
})
