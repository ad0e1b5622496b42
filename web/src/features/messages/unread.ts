import type { Message, Unread, UserID } from '../../wire/wire.gen'

/** Counts a message that just arrived; those of oneself count for nothing. */
export function withArrival(unread: Unread, { sender }: Message, me: UserID): Unread {
  if (sender._id === me) return unread
  const { _id: userId, ...name } = sender
  const before = unread.unreadByUser.find((u) => u.userId === userId)?.count ?? 0
  const others = unread.unreadByUser.filter((u) => u.userId !== userId)
  return { ...unread, totalUnread: unread.totalUnread + 1, unreadByUser: [{ ...name, userId, count: before + 1 }, ...others] }
}

/** Counts nothing of one person any more. */
export function withAllRead(unread: Unread, userId: UserID): Unread {
  const count = unread.unreadByUser.find((u) => u.userId === userId)?.count ?? 0
  return { ...unread, totalUnread: unread.totalUnread - count, unreadByUser: unread.unreadByUser.filter((u) => u.userId !== userId) }
}
