import { cleanup, render, screen } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'

import { fromServer } from '../../wire/examples.gen'
import type { Message } from '../../wire/wire.gen'
import { Announcer } from './Announcer'
import { entriesOf, withEarlier, withMessage, type Thread } from './thread'
import type { Pending } from './outbox'

afterEach(cleanup)

const ann = fromServer['message:sent'].sender
const bob = fromServer['message:sent'].recipient
const message = (seq: number, from = bob): Message => ({
  ...fromServer['message:new'],
  _id: `m${seq}`,
  seq,
  content: `text ${seq}`,
  sender: from,
  recipient: from === bob ? ann : bob,
})
const drawn = (thread: Thread, pending: Pending[] = []) => <Announcer entries={entriesOf(thread, pending, bob._id, ann._id)} from="Bob" />
const said = () => [...screen.getByRole('log').children].map((p) => p.textContent)

test('what comes in is read out; what was there, what comes from before and what oneself writes is not', () => {
  const opened: Thread = { messages: [message(50), message(51)], earlier: 'm50' }
  const { rerender } = render(drawn(opened))
  expect(said()).toEqual([])

  const more = withEarlier(opened, { messages: [message(48), message(49)], earlier: null })
  rerender(drawn(more))
  expect(said()).toEqual([])
  rerender(drawn(withMessage(withMessage(more, message(52, ann)), message(53))))

  expect(said()).toEqual(['Bob: text 53'])
})

test('what could not be sent is read out with the reason', () => {
  const failed: Pending = { tempId: 't', recipient: bob._id, content: 'x', at: message(1).createdAt, state: 'failed', why: 'You cannot message this user.' }
  const { rerender } = render(drawn({ messages: [message(1)], earlier: null }))

  rerender(drawn({ messages: [message(1)], earlier: null }, [failed]))

  expect(said()).toEqual(['Not sent: You cannot message this user.'])
})
