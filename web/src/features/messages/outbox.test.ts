import { expect, test } from 'vitest'

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

test('what is written without a connection is sent with the next one, in order', () => {
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

  expect(asked.map((a) => a.message._tempId)).toEqual(['t1', 't2'])
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
