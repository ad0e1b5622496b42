import { expect, test } from 'vitest'

import type { Message } from '../../wire/wire.gen'
import { acks, answers, fromServer } from '../../wire/examples.gen'
import type { Pending } from './outbox'
import { entriesOf, newestUnread, peerOf, withChange, withDeletion, withEarlier, withMessage, withReceipt, type Thread } from './thread'

const sent = fromServer['message:sent']
const ann = sent.sender._id
const bob = sent.recipient._id
const empty: Thread = { messages: [], earlier: null }
const one = withMessage(empty, sent)
const ids = (thread: Thread) => thread.messages.map((m) => m._id)

const message = (seq: number, from = bob): Message => ({
  ...fromServer['message:new'],
  _id: `m${seq}`,
  seq,
  sender: from === bob ? sent.recipient : sent.sender,
  recipient: from === bob ? sent.sender : sent.recipient,
})

test('a message belongs to the conversation with the other one', () => {
  expect(peerOf(sent, ann)).toBe(bob)
  expect(peerOf(sent, bob)).toBe(ann)
})

test('the same event twice is one message', () => {
  expect(ids(withMessage(one, sent))).toEqual([sent._id])
})

test('messages stand in the order of their numbers, whatever order they come in', () => {
  expect(ids([3, 1, 2].reduce((t, seq) => withMessage(t, message(seq)), empty))).toEqual(['m1', 'm2', 'm3'])
})

test('a message older than what is loaded waits for its page', () => {
  const loaded: Thread = { messages: [message(5)], earlier: 'm5' }

  expect(ids(withMessage(loaded, message(4)))).toEqual(['m5'])
  expect(withEarlier(loaded, { messages: [message(4), message(5)], earlier: null })).toEqual({ messages: [message(4), message(5)], earlier: null })
})

test('an edit replaces the text and keeps the place and the name of the attempt', () => {
  const edited: Message = fromServer['message:edited']

  const got = withChange(one, edited).messages

  expect(got).toHaveLength(1)
  expect(got[0]).toMatchObject({ content: edited.content, edited: true, _tempId: sent._tempId })
})

test('an edit of a message that is not loaded brings nothing in', () => {
  const loaded: Thread = { messages: [message(1), message(9)], earlier: null }

  expect(withChange(loaded, { ...message(5), edited: true })).toEqual(loaded)
})

test('deleted for all leaves a place without content, deleted for oneself leaves nothing', () => {
  const event = fromServer['message:deleted']

  expect(withDeletion(one, { ...event, deleteForAll: true }).messages[0]).toMatchObject({ content: '', isDeleted: true })
  expect(withDeletion(one, { ...event, deleteForAll: false }).messages).toEqual([])
})

test('a receipt covers what one person wrote up to there', () => {
  const thread: Thread = { messages: [message(1, ann), message(2), message(3, ann), message(4, ann)], earlier: null }

  const got = withReceipt(thread, ann, 'm3')

  expect(got.messages.filter((m) => m.read).map((m) => m._id)).toEqual(['m1', 'm3'])
})

test('the newest unread message is one of the other person', () => {
  expect(newestUnread({ messages: [message(1), message(2), message(3, ann)], earlier: null }, ann)).toBe('m2')
  expect(newestUnread({ messages: [{ ...message(1), read: true }, message(2, ann)], earlier: null }, ann)).toBeUndefined()
})

test('what was sent is one row on its whole way: sending, acknowledged, shown, read', () => {
  const tempId = sent._tempId ?? ''
  const base = { tempId, recipient: bob, content: sent.content, at: sent.createdAt }
  const sending: Pending = { ...base, state: 'sending' }
  const stored: Pending = { ...base, state: 'stored', messageId: acks.send_message.messageId }
  const rows = (thread: Thread, pending: Pending[]) => entriesOf(thread, pending, bob, ann).map((e) => [e.key, e.state])

  expect(rows(empty, [sending])).toEqual([[tempId, 'sending']])
  expect(rows(empty, [stored])).toEqual([[tempId, 'stored']])
  expect(rows(one, [stored])).toEqual([[tempId, 'sent']])
  expect(rows(withReceipt(one, ann, sent._id), [])).toEqual([[tempId, 'read']])
})

test('what was loaded again, without the name of the attempt, is not shown twice', () => {
  const loaded: Thread = { messages: answers['GET /api/messages/{userId}'], earlier: null }
  const newest = loaded.messages.at(-1)
  const stored: Pending = { tempId: 't', recipient: bob, content: 'x', at: sent.createdAt, state: 'stored', messageId: newest?._id ?? '' }

  expect(entriesOf(loaded, [stored], bob, ann)).toHaveLength(loaded.messages.length)
})

test('what is on its way to somebody else is not shown here', () => {
  expect(entriesOf(empty, [{ tempId: 't', recipient: ann, content: 'x', at: sent.createdAt, state: 'sending' }], bob, ann)).toEqual([])
})
