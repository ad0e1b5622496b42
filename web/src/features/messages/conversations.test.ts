import { expect, test } from 'vitest'

import { answers, fromServer } from '../../wire/examples.gen'
import type { Conversation, Message } from '../../wire/wire.gen'
import { unreadIn, withEdit, withNewest, withRead } from './conversations'

const rows: Conversation[] = answers['GET /api/messages/conversations']
const [row] = rows
if (!row?.lastMessage) throw new Error('the example has a conversation with a message')
const me = row.lastMessage.sender === row._id ? row.lastMessage.recipient : row.lastMessage.sender
const other: Conversation = { ...row, _id: 'f'.repeat(24) }

const next = (from: string): Message => ({
  ...fromServer['message:new'],
  _id: 'next',
  seq: (row.lastMessage?.seq ?? 0) + 1,
  sender: { ...fromServer['message:new'].sender, _id: from },
  recipient: { ...fromServer['message:new'].recipient, _id: from === me ? row._id : me },
})

test('a message moves its conversation to the top and counts as unread', () => {
  const got = withNewest([other, row], next(row._id), me)

  expect(got?.map((r) => r._id)).toEqual([row._id, other._id])
  expect(got?.[0]).toMatchObject({ unreadCount: row.unreadCount + 1, unread: row.unreadCount + 1, lastMessage: { _id: 'next', sender: row._id } })
})

test('one’s own message is not unread', () => {
  expect(withNewest([row], next(me), me)?.[0]?.unreadCount).toBe(row.unreadCount)
})

test('the same event twice counts once', () => {
  const once = withNewest([row], next(row._id), me) ?? []
  expect(withNewest(once, next(row._id), me)).toEqual(once)
})

test('a conversation that is not in the list has to be loaded', () => {
  expect(withNewest([other], next(row._id), me)).toBeUndefined()
})

test('an edit of the newest message shows in the list', () => {
  const edited = { ...next(row._id), _id: row.lastMessage?._id ?? '', content: 'new text' }
  expect(withEdit([other, row], edited)[1]?.lastMessage?.content).toBe('new text')
})

test('reading the newest message leaves nothing unread; reading an older one asks the server', () => {
  const unread = [{ ...row, unreadCount: 3, unread: 3 }]
  expect(unreadIn(unread)).toBe(3)
  expect(unreadIn(withRead(unread, row._id, row.lastMessage?._id ?? '') ?? unread)).toBe(0)
  expect(withRead(unread, row._id, 'older')).toBeUndefined()
})
