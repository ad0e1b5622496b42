import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'

import type { AppSocket } from '../../lib/socket'
import type { ConversationRead, Message, MessageDeleted, MessageRead, Unread, UserID } from '../../wire/wire.gen'
import { withEdit, withNewest, type Conversations } from './conversations'
import type { Outbox } from './outbox'
import { patch, reload } from './patch'
import { conversationsKey, messagesKey, patchRead, threadKey, threadsKey, unreadKey } from './queries'
import { peerOf, withChange, withDeletion, withMessage, withReceipt, type Thread } from './thread'
import { withArrival } from './unread'

/** Keeps the loaded conversations in step with the socket. Mounted once, by the shell. */
export function useLiveMessages(socket: AppSocket, outbox: Outbox, me: UserID): void {
  const cache = useQueryClient()
  useEffect(() => hear(socket, cache, outbox, me), [socket, cache, outbox, me])
}

/** Hears the socket until the returned function is called. */
export function hear(socket: AppSocket, cache: QueryClient, outbox: Outbox, me: UserID): () => void {
  const shown = (message: Message) => {
    patch<Thread>(cache, threadKey(peerOf(message, me)), (thread) => withMessage(thread, message))
    patch<Conversations>(cache, conversationsKey, (list) => withNewest(list, message, me))
  }
  const arrived = (message: Message) => {
    shown(message)
    patch<Unread>(cache, unreadKey, (unread) => withArrival(unread, message, me))
  }
  const sent = (message: Message) => {
    shown(message)
    outbox.shown(message)
  }
  const edited = (message: Message) => {
    patch<Thread>(cache, threadKey(peerOf(message, me)), (thread) => withChange(thread, message))
    patch<Conversations>(cache, conversationsKey, (list) => withEdit(list, message))
  }
  const deleted = (event: MessageDeleted) => {
    for (const [key] of cache.getQueriesData<Thread>({ queryKey: threadsKey })) patch<Thread>(cache, key, (thread) => withDeletion(thread, event))
    reload(cache, conversationsKey)
    reload(cache, unreadKey)
    outbox.settled(new Set([event.messageId]))
  }
  const read = ({ messageId, conversationWith, readBy }: MessageRead) => {
    // Without a message somebody took back that a conversation is marked as unread.
    if (messageId === undefined) return reload(cache, conversationsKey)
    if (conversationWith !== undefined) patchRead(cache, conversationWith, messageId)
    if (readBy !== undefined) patch<Thread>(cache, threadKey(readBy), (thread) => withReceipt(thread, me, messageId))
  }
  const readUpTo = ({ conversationWith, lastReadMessageId, userId }: ConversationRead) => {
    if (userId === me) patchRead(cache, conversationWith, lastReadMessageId)
    else patch<Thread>(cache, threadKey(userId), (thread) => withReceipt(thread, me, lastReadMessageId))
  }
  // What was said while there was no connection was not heard: it is loaded again. So is what
  // was loaded before the first connection stood.
  const connected = () => {
    reload(cache, messagesKey)
    outbox.resume()
  }

  socket.on('message:new', arrived)
  socket.on('message:sent', sent)
  socket.on('message:edited', edited)
  socket.on('message:deleted', deleted)
  socket.on('message:read', read)
  socket.on('conversation:read', readUpTo)
  socket.on('room:joined', connected)
  if (socket.connected) connected()
  return () => {
    socket.off('message:new', arrived)
    socket.off('message:sent', sent)
    socket.off('message:edited', edited)
    socket.off('message:deleted', deleted)
    socket.off('message:read', read)
    socket.off('conversation:read', readUpTo)
    socket.off('room:joined', connected)
  }
}
