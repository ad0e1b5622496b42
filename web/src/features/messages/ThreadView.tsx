import { Fragment, useEffect } from 'react'

import type { Session } from '../../lib/session'
import { useStore } from '../../lib/store'
import { dayOf, sameDay } from '../../lib/time'
import { Button } from '../../ui/Button'
import { Problem } from '../../ui/Problem'
import type { UserID } from '../../wire/wire.gen'
import { Announcer } from './Announcer'
import { Composer } from './Composer'
import type { Outbox } from './outbox'
import { useEarlier, useThread } from './queries'
import { useReading } from './reading'
import { Row } from './Row'
import { entriesOf, type Entry, type Thread } from './thread'

interface ThreadViewProps {
  session: Session
  outbox: Outbox
  me: UserID
  peer: UserID
  name: string
}

/** A conversation with one person: what was said, and where one answers. */
export function ThreadView({ session, outbox, me, peer, name }: ThreadViewProps) {
  const thread = useThread(session, peer)
  const earlier = useEarlier(session, peer)
  useReading(session, thread.data, me, peer)

  return (
    <>
      {/* Laid out from its end, so that it opens and stays at the newest message. */}
      <div className="scroll" tabIndex={0} role="region" aria-label={`Conversation with ${name}`}>
        <div>
          {thread.data?.earlier && (
            <Button look="plain" busy={earlier.isPending} onClick={() => thread.data.earlier && earlier.mutate(thread.data.earlier)}>
              Show earlier messages
            </Button>
          )}
          <Problem error={earlier.error} />
          {thread.isPending && (
            <p role="status" className="hint">
              Loading…
            </p>
          )}
          {thread.data && <Log thread={thread.data} outbox={outbox} me={me} peer={peer} name={name} />}
          <Problem error={thread.error}>
            <Button look="plain" onClick={() => void thread.refetch()}>
              Try again
            </Button>
          </Problem>
        </div>
      </div>
      <Composer to={name} onSend={(text) => outbox.send(peer, text)} />
    </>
  )
}

function Log({ thread, outbox, me, peer, name }: Omit<ThreadViewProps, 'session'> & { thread: Thread }) {
  const pending = useStore(outbox.pending)
  const entries = entriesOf(thread, pending, peer, me)
  useEffect(() => outbox.settled(new Set(thread.messages.map((m) => m._id))), [outbox, thread, pending])
  return (
    <div className="whole">
      <Announcer entries={entries} from={name} />
      <ol className="log" aria-label={`Messages with ${name}`}>
        {entries.length === 0 && <li className="hint">No messages yet.</li>}
        {entries.map((entry, i) => {
          const before = entries[i - 1]
          return (
            <Fragment key={entry.key}>
              {(!before || !sameDay(timeOf(before), timeOf(entry))) && <li className="day">{dayOf(timeOf(entry))}</li>}
              <Row entry={entry} from={name} onRetry={(tempId) => outbox.retry(tempId)} />
            </Fragment>
          )
        })}
      </ol>
    </div>
  )
}

function timeOf(entry: Entry): string {
  return 'message' in entry ? entry.message.createdAt : entry.pending.at
}
