import type { Message, MessageDeleted, MessageID, UserID } from '../../wire/wire.gen'
import type { Pending } from './outbox'

/** What is loaded of a conversation, oldest first. earlier is the cursor of what came before. */
export interface Thread {
  messages: readonly Message[]
  earlier: string | null
}

/** One row on the screen. */
export type Entry =
  | { state: 'received' | 'sent' | 'read'; key: string; message: Message }
  | { state: 'sending' | 'stored'; key: string; pending: Pending }
  | { state: 'failed'; key: string; pending: Pending; why: string }

/** Who a message is exchanged with; oneself for notes. A message to a group has no recipient. */
export function peerOf(message: Message, me: UserID): UserID {
  return message.sender._id === me && message.recipient ? message.recipient._id : message.sender._id
}

/** Puts a message into its place, or its newest state over the old one. */
export function withMessage(thread: Thread, message: Message): Thread {
  const { messages } = thread
  const at = messages.findIndex((m) => m._id === message._id)
  const known = messages[at]
  if (known) {
    const named = known._tempId === undefined ? message : { ...message, _tempId: known._tempId }
    return { ...thread, messages: messages.with(at, named) }
  }
  const after = messages.findLastIndex((m) => m.seq < message.seq)
  if (after < 0 && thread.earlier !== null) return thread // it belongs to what is not loaded
  return { ...thread, messages: messages.toSpliced(after + 1, 0, message) }
}

/** Puts the newest state of a message over the old one. What is not loaded stays so. */
export function withChange(thread: Thread, message: Message): Thread {
  return thread.messages.some((m) => m._id === message._id) ? withMessage(thread, message) : thread
}

/** Puts what came before in front. */
export function withEarlier(thread: Thread, earlier: Thread): Thread {
  const known = new Set(thread.messages.map((m) => m._id))
  return { messages: [...earlier.messages.filter((m) => !known.has(m._id)), ...thread.messages], earlier: earlier.earlier }
}

/** Empties a message that is gone for everyone, and removes one that is gone for oneself. */
export function withDeletion(thread: Thread, { messageId, deleteForAll }: MessageDeleted): Thread {
  const messages = deleteForAll
    ? thread.messages.map((m) => (m._id === messageId ? { ...m, content: '', attachment: null, reactions: [], isDeleted: true, isDeletedForAll: true } : m))
    : thread.messages.filter((m) => m._id !== messageId)
  return { ...thread, messages }
}

/** Marks as read what one person wrote, up to a message. */
export function withReceipt(thread: Thread, author: UserID, upTo: MessageID): Thread {
  const last = thread.messages.find((m) => m._id === upTo)
  if (!last) return thread
  return { ...thread, messages: thread.messages.map((m) => (m.sender._id === author && m.seq <= last.seq && !m.read ? { ...m, read: true } : m)) }
}

/** The newest message that somebody else wrote and that is not read. */
export function newestUnread(thread: Thread, me: UserID): MessageID | undefined {
  return thread.messages.findLast((m) => m.sender._id !== me && !m.read && !m.isDeleted)?._id
}

/** What a row says. */
export function textOf(entry: Entry): string {
  if (!('message' in entry)) return entry.pending.content
  return entry.message.isDeleted ? 'This message was deleted.' : entry.message.content || 'An attachment'
}

/** The rows to draw: what the server has, then what is on its way there. */
export function entriesOf(thread: Thread, pending: readonly Pending[], peer: UserID, me: UserID): Entry[] {
  const ids = new Set<string>()
  const rows = thread.messages.map((message): Entry => {
    ids.add(message._id)
    if (message._tempId !== undefined) ids.add(message._tempId)
    const state = message.sender._id !== me ? 'received' : message.read ? 'read' : 'sent'
    return { state, key: message._tempId ?? message._id, message }
  })
  for (const p of pending) {
    const there = ids.has(p.tempId) || (p.state === 'stored' && ids.has(p.messageId))
    if (p.recipient !== peer || there) continue
    rows.push(p.state === 'failed' ? { state: 'failed', key: p.tempId, pending: p, why: p.why } : { state: p.state, key: p.tempId, pending: p })
  }
  return rows
}
