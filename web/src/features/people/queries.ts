import { useQuery } from '@tanstack/react-query'

import type { Session } from '../../lib/session'
import type { UserID } from '../../wire/wire.gen'

/** People whose name contains a text. Nothing is asked for an empty one. */
export function useSearch(session: Session, text: string) {
  return useQuery({
    queryKey: ['people', 'search', text],
    queryFn: async ({ signal }) => (await session.call('GET /api/users/search', { query: { q: text }, signal })).body,
    enabled: text !== '',
    staleTime: 30_000, // new people come
  })
}

/** What one may know of a person. */
export function useProfile(session: Session, id: UserID, enabled: boolean) {
  return useQuery({
    queryKey: ['people', id],
    queryFn: async ({ signal }) => (await session.call('GET /api/users/{identifier}', { params: { identifier: id }, signal })).body,
    enabled,
  })
}
