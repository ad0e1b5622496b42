import { QueryClientProvider } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { Navigate, Route, Routes, useLocation } from 'react-router'

import { Outbox } from '../features/messages/outbox'
import { newCache } from '../lib/query'
import type { Session } from '../lib/session'
import { deliver, openLink, type Link } from '../lib/socket'
import type { User } from '../wire/wire.gen'
import { MessagesPage } from './MessagesPage'
import { Shell } from './Shell'

/** What one person sees who is logged in, with a connection and a cache of their own. */
export function Inside({ session, user }: { session: Session; user: User }) {
  const [cache] = useState(newCache)
  const joined = useLink(session)
  const { search } = useLocation()
  if (!joined) return null
  return (
    <QueryClientProvider client={cache}>
      <Shell session={session} user={user} {...joined}>
        <Routes>
          <Route path="/messages" element={<MessagesPage session={session} outbox={joined.outbox} me={user._id} />} />
          <Route path="*" element={<Navigate to={`/messages${search}`} replace />} />
        </Routes>
      </Shell>
    </QueryClientProvider>
  )
}

function useLink(session: Session): { link: Link; outbox: Outbox } | undefined {
  const [joined, setJoined] = useState<{ link: Link; outbox: Outbox }>()
  useEffect(() => {
    const link = openLink(session)
    const outbox = new Outbox({ connected: () => link.socket.connected, deliver: (message) => deliver(link.socket, message) })
    setJoined({ link, outbox })
    return () => link.close()
  }, [session])
  return joined
}
