import { QueryClientProvider } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { BrowserRouter } from 'react-router'

import { newCache } from '../lib/query'
import { Session } from '../lib/session'
import { useStore } from '../lib/store'
import { Inside } from './Inside'
import { Outside } from './Outside'

export function App() {
  const [session] = useState(() => new Session())
  useEffect(() => {
    const stop = new AbortController()
    void session.start(stop.signal)
    return () => stop.abort()
  }, [session])
  return (
    <BrowserRouter>
      <Page session={session} />
    </BrowserRouter>
  )
}

/** What is shown depends on who is there. Nothing of one person is left for the next. */
export function Page({ session }: { session: Session }) {
  const now = useStore(session.state)
  const [outsideCache] = useState(newCache)
  switch (now.state) {
    case 'starting':
      return <main className="outside" aria-busy="true" />
    case 'unreachable':
      return (
        <main className="outside">
          <p role="status" className="notice">
            The server cannot be reached. Trying again…
          </p>
        </main>
      )
    case 'out':
      return (
        <QueryClientProvider client={outsideCache}>
          <Outside session={session} reason={now.reason} />
        </QueryClientProvider>
      )
    case 'in':
      return <Inside key={now.user._id} session={session} user={now.user} />
  }
}
