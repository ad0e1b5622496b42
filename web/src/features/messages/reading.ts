import { useEffect, useSyncExternalStore } from 'react'

import { mayPass } from '../../lib/http'
import type { Session } from '../../lib/session'
import type { UserID } from '../../wire/wire.gen'
import { useMarkRead } from './queries'
import { newestUnread, type Thread } from './thread'

const againMs = 5_000

const onVisibility = (listener: () => void) => {
  document.addEventListener('visibilitychange', listener)
  return () => document.removeEventListener('visibilitychange', listener)
}
const visible = () => document.visibilityState === 'visible'

/** Tells the server what somebody has in front of them, again where it could not be told. */
export function useReading(session: Session, thread: Thread | undefined, me: UserID, peer: UserID): void {
  const { mutate, error } = useMarkRead(session, peer)
  const seen = useSyncExternalStore(onVisibility, visible)
  const newest = thread && newestUnread(thread, me)
  const trouble = error && mayPass(error) ? error : null // another one after each failure

  useEffect(() => {
    if (seen && newest !== undefined) mutate(newest)
  }, [seen, newest, mutate])
  useEffect(() => {
    if (!trouble || !seen || newest === undefined) return
    const timer = setTimeout(() => mutate(newest), againMs)
    return () => clearTimeout(timer)
  }, [trouble, seen, newest, mutate])
}
