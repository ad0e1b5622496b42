import { expect, test } from 'vitest'

import { answers, fromServer } from '../../wire/examples.gen'
import type { Conversation, Message } from '../../wire/wire.gen'
import { withEdit, withNewest, withOlder, withRead, type Conversations } from './conversations'

const [row]: Conversation[] = answers['GET /api/messages/conversations']
if (!row?.lastMessage?.recipient) throw new Error('the example has a conversation with a message')
const newest = row.lastMessage._id
const me = row.lastMessage.sender === row._id ? row.lastMessage.recipient : row.lastMessage.sender
const other: Conversation = { ...row, _id: 'f'.repeat(24) }
const list = (...rows: Conversation[]): Conversations => ({ rows, earlier: 'cursor' })
const ids = ({ rows }: Conversations) => rows.map((r) => r._id)

const next = (from: string): Message => ({
  ...fromServer['message:new'],
  _id: 'next',
  seq: (row.lastMessage?.seq ?? 0) + 1,
  sender: { ...fromServer['message:new'].sender, _id: from },
  recipient: { ...fromServer['message:new'].recipient, _id: from === me ? row._id : me },
})

test('a message moves its conversation to the top and counts as unread', () => {
  const got = withNewest(list(other, row), next(row._id), me)

  expect(got && ids(got)).toEqual([row._id, other._id])
  expect(got?.rows[0]).toMatchObject({ unreadCount: row.unreadCount + 1, unread: row.unreadCount + 1, lastMessage: { _id: 'next', sender: row._id } })
  expect(got?.earlier).toBe('cursor')
})

test('one’s own message is not unread', () => {
  expect(withNewest(list(row), next(me), me)?.rows[0]?.unreadCount).toBe(row.unreadCount)
})

test('the same event twice counts once', () => {
  const once = withNewest(list(row), next(row._id), me) ?? list()
  expect(withNewest(once, next(row._id), me)).toEqual(once)
})

test('a conversation that is not in the list has to be loaded', () => {
  expect(withNewest(list(other), next(row._id), me)).toBeUndefined()
})

test('an edit of the newest message shows in the list', () => {
  const edited = { ...next(row._id), _id: newest, content: 'new text' }
  expect(withEdit(list(other, row), edited).rows[1]?.lastMessage?.content).toBe('new text')
})

test('reading the newest message leaves nothing unread; reading an older one asks the server', () => {
  const unread = list({ ...row, unreadCount: 3, unread: 3 })
  expect(withRead(unread, row._id, newest)?.rows[0]).toMatchObject({ unreadCount: 0, unread: 0 })
  expect(withRead(unread, row._id, 'older')).toBeUndefined()
})

test('what is older comes behind, with the cursor of what is older still; who moved up meanwhile is there once', () => {
  const third = { ...row, _id: 'e'.repeat(24) }

  const got = withOlder(list(row, other), { rows: [other, third], earlier: null })

  expect(ids(got)).toEqual([row._id, other._id, third._id])
  expect(got.earlier).toBeNull()
})
