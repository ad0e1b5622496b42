import { useEffect, useSyncExternalStore } from 'react'

import type { Session } from '../../lib/session'
import type { UserID } from '../../wire/wire.gen'
import { useMarkRead } from './queries'
import { newestUnread, type Thread } from './thread'

const onVisibility = (listener: () => void) => {
  document.addEventListener('visibilitychange', listener)
  return () => document.removeEventListener('visibilitychange', listener)
}
const visible = () => document.visibilityState === 'visible'

/** Tells the server what somebody has in front of them. */
export function useReading(session: Session, thread: Thread | undefined, me: UserID, peer: UserID): void {
  const { mutate } = useMarkRead(session, peer)
  const seen = useSyncExternalStore(onVisibility, visible)
  const newest = thread && newestUnread(thread, me)

  useEffect(() => {
    if (seen && newest !== undefined) mutate(newest)
  }, [seen, newest, mutate])
}
