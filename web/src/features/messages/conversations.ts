import type { Conversation, Message, MessageID, UserID } from '../../wire/wire.gen'
import { peerOf } from './thread'

/** What is loaded of the list, newest first. earlier is the cursor of what is older. */
export interface Conversations {
  rows: readonly Conversation[]
  earlier: string | null
}

/**
 * Moves a conversation to the top for a message that was just written. Without a row for it
 * the list has to be loaded: undefined.
 */
export function withNewest(list: Conversations, message: Message, me: UserID): Conversations | undefined {
  const { rows } = list
  const peer = peerOf(message, me)
  const row = rows.find((r) => r._id === peer)
  if (!row) return undefined
  if (row.lastMessage && row.lastMessage.seq >= message.seq) return list // heard before
  const unread = row.unreadCount + (message.sender._id === me ? 0 : 1)
  const { recipient, ...rest } = message
  const lastMessage = { ...rest, sender: message.sender._id, ...(recipient && { recipient: recipient._id }) }
  return { ...list, rows: [{ ...row, lastMessage, unreadCount: unread, unread }, ...rows.filter((r) => r !== row)] }
}

/** Shows the new text of the newest message. */
export function withEdit(list: Conversations, message: Message): Conversations {
  const rows = list.rows.map((r) =>
    r.lastMessage?._id === message._id ? { ...r, lastMessage: { ...r.lastMessage, content: message.content, edited: true } } : r,
  )
  return { ...list, rows }
}

/**
 * Counts a conversation as read up to a message. Where newer ones may be unread the list has
 * to be loaded: undefined.
 */
export function withRead(list: Conversations, peer: UserID, upTo: MessageID): Conversations | undefined {
  if (!isNewest(list, peer, upTo)) return undefined
  return { ...list, rows: list.rows.map((r) => (r._id === peer ? { ...r, unreadCount: 0, unread: 0, manuallyUnread: false } : r)) }
}

/** Whether a message is known to be the newest of its conversation. */
export function isNewest(list: Conversations, peer: UserID, message: MessageID): boolean {
  return list.rows.some((r) => r._id === peer && r.lastMessage?._id === message)
}

/** Puts what is older behind. A conversation that has moved up meanwhile stays where it is. */
export function withOlder(list: Conversations, older: Conversations): Conversations {
  const known = new Set(list.rows.map((r) => r._id))
  return { rows: [...list.rows, ...older.rows.filter((r) => !known.has(r._id))], earlier: older.earlier }
}
