import type { Conversation, Message, MessageID, UserID } from '../../wire/wire.gen'
import { peerOf } from './thread'

/**
 * Moves a conversation to the top for a message that was just written. Without a row for it
 * the list has to be loaded: undefined.
 */
export function withNewest(rows: readonly Conversation[], message: Message, me: UserID): Conversation[] | undefined {
  const peer = peerOf(message, me)
  const row = rows.find((r) => r._id === peer)
  if (!row) return undefined
  if (row.lastMessage && row.lastMessage.seq >= message.seq) return [...rows] // heard before
  const unread = row.unreadCount + (message.sender._id === me ? 0 : 1)
  const lastMessage = { ...message, sender: message.sender._id, recipient: message.recipient._id }
  return [{ ...row, lastMessage, unreadCount: unread, unread }, ...rows.filter((r) => r !== row)]
}

/** Shows the new text of the newest message. */
export function withEdit(rows: readonly Conversation[], message: Message): Conversation[] {
  return rows.map((r) => (r.lastMessage?._id === message._id ? { ...r, lastMessage: { ...r.lastMessage, content: message.content, edited: true } } : r))
}

/**
 * Counts a conversation as read up to a message. Where newer ones may be unread the list has
 * to be loaded: undefined.
 */
export function withRead(rows: readonly Conversation[], peer: UserID, upTo: MessageID): Conversation[] | undefined {
  const row = rows.find((r) => r._id === peer)
  if (!row || row.lastMessage?._id !== upTo) return undefined
  return rows.map((r) => (r === row ? { ...r, unreadCount: 0, unread: 0, manuallyUnread: false } : r))
}

/** How many messages are unread. */
export function unreadIn(rows: readonly Conversation[]): number {
  return rows.reduce((sum, r) => sum + r.unreadCount, 0)
}
