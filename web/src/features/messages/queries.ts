import { useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query'

import type { Session } from '../../lib/session'
import type { MessageID, Unread, UserID } from '../../wire/wire.gen'
import { isNewest, withOlder, withRead, type Conversations } from './conversations'
import { patch } from './patch'
import { withEarlier, withReceipt, type Thread } from './thread'
import { withAllRead } from './unread'

export const messagesKey = ['messages'] as const
export const conversationsKey = ['messages', 'conversations'] as const
export const unreadKey = ['messages', 'unread'] as const
export const threadsKey = ['messages', 'with'] as const
export const threadKey = (peer: UserID) => ['messages', 'with', peer] as const

async function loadList(session: Session, before?: string, signal?: AbortSignal): Promise<Conversations> {
  const { body, next } = await session.call('GET /api/messages/conversations', {
    query: before === undefined ? {} : { before },
    ...(signal && { signal }),
  })
  return { rows: body, earlier: next }
}

/** The list of conversations. Loaded again, it is as long as it was. */
export function useConversations(session: Session) {
  return useQuery({
    queryKey: conversationsKey,
    queryFn: async ({ signal, client }) => {
      const length = client.getQueryData<Conversations>(conversationsKey)?.rows.length ?? 0
      let list = await loadList(session, undefined, signal)
      while (list.earlier !== null && list.rows.length < length) list = withOlder(list, await loadList(session, list.earlier, signal))
      return list
    },
  })
}

/** Loads the conversations that are older than those of the list. */
export function useOlderConversations(session: Session) {
  const cache = useQueryClient()
  return useMutation({
    mutationFn: (before: string) => loadList(session, before),
    onSuccess: (older, before) => {
      cache.setQueryData<Conversations>(conversationsKey, (list) => (list?.earlier === before ? withOlder(list, older) : list))
    },
  })
}

/** How many messages are unread, in all conversations. */
export function useUnread(session: Session) {
  return useQuery({
    queryKey: unreadKey,
    queryFn: async ({ signal }): Promise<Unread> => (await session.call('GET /api/messages/unread/counts', { signal })).body,
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
    onSuccess: (_, id) => patchRead(cache, peer, id),
  })
}

/** Brings up to date what is loaded, once oneself has read a conversation up to a message. */
export function patchRead(cache: QueryClient, peer: UserID, upTo: MessageID): void {
  const list = cache.getQueryData<Conversations>(conversationsKey)
  const nothingNewer = list !== undefined && isNewest(list, peer, upTo)
  patch<Thread>(cache, threadKey(peer), (thread) => withReceipt(thread, peer, upTo))
  patch<Conversations>(cache, conversationsKey, (rows) => withRead(rows, peer, upTo))
  patch<Unread>(cache, unreadKey, (unread) => (nothingNewer ? withAllRead(unread, peer) : undefined))
}
