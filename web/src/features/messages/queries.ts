import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'

import type { Session } from '../../lib/session'
import type { Conversation, MessageID, UserID } from '../../wire/wire.gen'
import { withRead } from './conversations'
import { withEarlier, withReceipt, type Thread } from './thread'
import { patch } from './patch'

export const messagesKey = ['messages'] as const
export const conversationsKey = ['messages', 'conversations'] as const
export const threadsKey = ['messages', 'with'] as const
export const threadKey = (peer: UserID) => ['messages', 'with', peer] as const

export function useConversations(session: Session) {
  return useQuery({
    queryKey: conversationsKey,
    queryFn: async ({ signal }) => (await session.call('GET /api/messages/conversations', { signal })).body,
  })
}

async function load(session: Session, peer: UserID, before?: string, signal?: AbortSignal): Promise<Thread> {
  const { body, next } = await session.call('GET /api/messages/{userId}', {
    params: { userId: peer },
    query: before === undefined ? {} : { before },
    ...(signal && { signal }),
  })
  return { messages: body, earlier: next }
}

export function useThread(session: Session, peer: UserID) {
  return useQuery({ queryKey: threadKey(peer), queryFn: ({ signal }) => load(session, peer, undefined, signal) })
}

/** Loads what came before what is on screen. */
export function useEarlier(session: Session, peer: UserID) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (before: string) => load(session, peer, before),
    onSuccess: (earlier, before) => {
      cache.setQueryData<Thread>(threadKey(peer), (thread) => (thread?.earlier === before ? withEarlier(thread, earlier) : thread))
    },
  })
}

/** Tells the server that a message, and what came before it, is read. */
export function useMarkRead(session: Session, peer: UserID) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (id: MessageID) => session.call('PUT /api/messages/{id}/read', { params: { id } }),
    onSuccess: (_, id) => {
      patch<Thread>(cache, threadKey(peer), (thread) => withReceipt(thread, peer, id))
      patch<Conversation[]>(cache, conversationsKey, (rows) => withRead(rows, peer, id))
    },
  })
}
