import { QueryClient } from '@tanstack/react-query'
import { io } from 'socket.io-client'
import { expect, test } from 'vitest'

import type { AppSocket } from '../../lib/socket'
import { acks, answers, fromServer } from '../../wire/examples.gen'
import type { Conversation, Message, ServerToClient, Unread } from '../../wire/wire.gen'
import type { Conversations } from './conversations'
import { hear } from './live'
import { Outbox } from './outbox'
import { conversationsKey, threadKey, unreadKey } from './queries'
import type { Thread } from './thread'

const ann = fromServer['message:sent'].sender
const bob = fromServer['message:sent'].recipient
const [row] = answers['GET /api/messages/conversations']

const message = (seq: number, from = bob): Message => ({
  ...fromServer['message:new'],
  _id: `m${seq}`,
  seq,
  sender: from,
  recipient: from === bob ? ann : bob,
  read: false,
})

/** What Ann has loaded of her conversation with Bob, and the socket on which she hears of it. */
function ear(messages: Message[]) {
  const socket: AppSocket = io('http://localhost', { autoConnect: false })
  const cache = new QueryClient()
  const outbox = new Outbox({ connected: () => true, deliver: async () => acks.send_message }, () => 't1')
  const last = messages.at(-1)
  const unread = messages.filter((m) => m.sender === bob).length
  const rows: Conversation[] = row && last ? [{ ...row, _id: bob._id, unreadCount: unread, unread, lastMessage: { ...last, sender: last.sender._id, recipient: last.sender === bob ? ann._id : bob._id } }] : []
  cache.setQueryData<Thread>(threadKey(bob._id), { messages, earlier: null })
  cache.setQueryData<Conversations>(conversationsKey, { rows, earlier: null })
  cache.setQueryData<Unread>(unreadKey, { totalUnread: unread, unreadByUser: [{ ...bob, userId: bob._id, count: unread }], unreadByGroup: [] })
  hear(socket, cache, outbox, ann._id)

  return {
    outbox,
    tell<E extends keyof ServerToClient>(name: E, ...args: Parameters<ServerToClient[E]>) {
      for (const listener of socket.listeners(name)) Reflect.apply(listener, undefined, args)
    },
    thread: () => cache.getQueryData<Thread>(threadKey(bob._id))?.messages ?? [],
    unread: () => [cache.getQueryData<Unread>(unreadKey)?.totalUnread, cache.getQueryData<Conversations>(conversationsKey)?.rows[0]?.unreadCount],
  }
}

test('an edit changes what is loaded and brings in nothing that is not', () => {
  const { tell, thread } = ear([message(1), message(3)])

  tell('message:edited', { ...message(1), content: 'new text' })
  tell('message:edited', { ...message(2), content: 'from a page that is not loaded' })

  expect(thread().map((m) => [m._id, m.content])).toEqual([
    ['m1', 'new text'],
    ['m3', message(3).content],
  ])
})

test('that the other one has read up to a message shows at what oneself wrote', () => {
  const { tell, thread } = ear([message(1, ann), message(2), message(3, ann), message(4, ann)])

  tell('conversation:read', { userId: bob._id, conversationWith: bob._id, lastReadMessageId: 'm3' })

  expect(thread().filter((m) => m.read).map((m) => m._id)).toEqual(['m1', 'm3'])
})

test('what oneself has read on another device is read here too', () => {
  const { tell, thread, unread } = ear([message(1), message(2)])
  expect(unread()).toEqual([2, 2])

  tell('conversation:read', { userId: ann._id, conversationWith: bob._id, lastReadMessageId: 'm2' })

  expect(thread().every((m) => m.read)).toBe(true)
  expect(unread()).toEqual([0, 0])
})

test('a message that arrives is one more everywhere, one’s own is not', () => {
  const { tell, thread, unread } = ear([message(1)])

  tell('message:new', message(2))
  tell('message:sent', message(3, ann))

  expect(thread().map((m) => m._id)).toEqual(['m1', 'm2', 'm3'])
  expect(unread()).toEqual([2, 2])
})

test('a deletion ends what waited to be shown', async () => {
  const { tell, outbox } = ear([message(1)])
  outbox.send(bob._id, 'hi')
  await Promise.resolve()
  await Promise.resolve()
  expect(outbox.pending.get()).toMatchObject([{ state: 'stored' }])

  tell('message:deleted', { messageId: acks.send_message.messageId, deleteForAll: false, deletedForUser: ann._id })

  expect(outbox.pending.get()).toEqual([])
})
