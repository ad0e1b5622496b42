import { expect, test } from 'vitest'

import { answers, fromServer } from '../../wire/examples.gen'
import type { Message, Unread } from '../../wire/wire.gen'
import { withAllRead, withArrival } from './unread'

const unread: Unread = answers['GET /api/messages/unread/counts']
const [bob] = unread.unreadByUser
if (!bob) throw new Error('the example has somebody with unread messages')

const from = (id: string): Message => ({ ...fromServer['message:new'], sender: { ...fromServer['message:new'].sender, _id: id } })
const counts = ({ totalUnread, unreadByUser }: Unread) => [totalUnread, Object.fromEntries(unreadByUser.map((u) => [u.userId, u.count]))]

test('a message that arrives is one more, of its sender and altogether', () => {
  const got = withArrival(withArrival(unread, from(bob.userId), 'me'), from('carla'), 'me')

  expect(counts(got)).toEqual([unread.totalUnread + 2, { [bob.userId]: bob.count + 1, carla: 1 }])
})

test('one’s own message is not unread', () => {
  expect(withArrival(unread, from('me'), 'me')).toEqual(unread)
})

test('who is read counts no more, and the others stay', () => {
  const two = withArrival(unread, from('carla'), 'me')

  expect(counts(withAllRead(two, bob.userId))).toEqual([two.totalUnread - bob.count, { carla: 1 }])
  expect(counts(withAllRead(unread, 'carla'))).toEqual(counts(unread))
})
