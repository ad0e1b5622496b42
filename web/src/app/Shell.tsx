import { useMutation } from '@tanstack/react-query'
import { useEffect, type ReactNode } from 'react'

import { useLiveMessages } from '../features/messages/live'
import type { Outbox } from '../features/messages/outbox'
import type { Session } from '../lib/session'
import type { Link } from '../lib/socket'
import { useStore } from '../lib/store'
import { Button } from '../ui/Button'
import { Problem } from '../ui/Problem'
import type { User } from '../wire/wire.gen'

interface ShellProps {
  session: Session
  user: User
  link: Link
  outbox: Outbox
  children: ReactNode
}

/** What stands around every page: whose it is, how the connection is, and the live hooks. */
export function Shell({ session, user, link, outbox, children }: ShellProps) {
  useLiveMessages(link.socket, outbox, user._id)
  useUnsent(outbox)
  const logOut = useMutation({ mutationFn: () => session.logOut() })

  return (
    <div className="inside">
      <header>
        <p className="brand">Pryde</p>
        <Connection link={link} />
        <span className="whoami">{user.displayName || user.username}</span>
        <Button look="plain" busy={logOut.isPending} onClick={() => logOut.mutate()}>
          Log out
        </Button>
      </header>
      <Problem error={logOut.error} />
      {children}
    </div>
  )
}

function Connection({ link }: { link: Link }) {
  const state = useStore(link.state)
  return (
    <>
      <p role="status" className={`connection ${state}`}>
        {state === 'connecting' && 'Connecting…'}
        {state === 'displaced' && 'Open in too many places.'}
      </p>
      {state === 'displaced' && (
        <Button look="plain" onClick={() => link.socket.connect()}>
          Use it here
        </Button>
      )}
    </>
  )
}

/** Asks before a page is left that has messages which the server does not have. */
function useUnsent(outbox: Outbox): void {
  useEffect(() => {
    const ask = (e: BeforeUnloadEvent) => {
      if (outbox.pending.get().some((p) => p.state !== 'stored')) e.preventDefault()
    }
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [outbox])
}
