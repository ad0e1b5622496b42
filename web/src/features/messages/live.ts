import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'

import type { AppSocket } from '../../lib/socket'
import type { Conversation, Message, MessageDeleted, MessageRead, UserID } from '../../wire/wire.gen'
import { withEdit, withNewest, withRead } from './conversations'
import type { Outbox } from './outbox'
import { patch, reload } from './patch'
import { conversationsKey, messagesKey, threadKey, threadsKey } from './queries'
import { peerOf, withDeletion, withMessage, withReceipt, type Thread } from './thread'

/** Keeps the loaded conversations in step with the socket. Mounted once, by the shell. */
export function useLiveMessages(socket: AppSocket, outbox: Outbox, me: UserID): void {
  const cache = useQueryClient()

  useEffect(() => {
    const arrived = (message: Message) => {
      patch<Thread>(cache, threadKey(peerOf(message, me)), (thread) => withMessage(thread, message))
      patch<Conversation[]>(cache, conversationsKey, (rows) => withNewest(rows, message, me))
    }
    const sent = (message: Message) => {
      arrived(message)
      outbox.shown(message)
    }
    const edited = (message: Message) => {
      patch<Thread>(cache, threadKey(peerOf(message, me)), (thread) => withMessage(thread, message))
      patch<Conversation[]>(cache, conversationsKey, (rows) => withEdit(rows, message))
    }
    const deleted = (event: MessageDeleted) => {
      for (const [key] of cache.getQueriesData<Thread>({ queryKey: threadsKey })) patch<Thread>(cache, key, (thread) => withDeletion(thread, event))
      reload(cache, conversationsKey)
    }
    const read = ({ messageId, conversationWith, readBy }: MessageRead) => {
      // Without a message somebody took back that a conversation is marked as unread.
      if (messageId === undefined) return reload(cache, conversationsKey)
      if (conversationWith !== undefined) {
        patch<Thread>(cache, threadKey(conversationWith), (thread) => withReceipt(thread, conversationWith, messageId))
        patch<Conversation[]>(cache, conversationsKey, (rows) => withRead(rows, conversationWith, messageId))
      }
      if (readBy !== undefined) patch<Thread>(cache, threadKey(readBy), (thread) => withReceipt(thread, me, messageId))
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
    socket.on('room:joined', connected)
    if (socket.connected) connected()
    return () => {
      socket.off('message:new', arrived)
      socket.off('message:sent', sent)
      socket.off('message:edited', edited)
      socket.off('message:deleted', deleted)
      socket.off('message:read', read)
      socket.off('room:joined', connected)
    }
  }, [socket, outbox, me, cache])
}
