import { useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'

import { ConversationList, nameOf, notesName } from '../features/messages/ConversationList'
import type { Outbox } from '../features/messages/outbox'
import { useConversations, useOlderConversations, useUnread } from '../features/messages/queries'
import { ThreadView } from '../features/messages/ThreadView'
import { FindPerson } from '../features/people/FindPerson'
import { useProfile } from '../features/people/queries'
import type { Session } from '../lib/session'
import { Avatar } from '../ui/Avatar'
import { Button } from '../ui/Button'
import { Problem } from '../ui/Problem'
import type { Conversation, UserID } from '../wire/wire.gen'

interface MessagesPageProps {
  session: Session
  outbox: Outbox
  me: UserID
}

/** The conversations beside the open one; on a narrow screen one of the two. */
export function MessagesPage({ session, outbox, me }: MessagesPageProps) {
  const conversations = useConversations(session)
  const older = useOlderConversations(session)
  const { rows = [], earlier = null } = conversations.data ?? {}
  const [search] = useSearchParams()
  const navigate = useNavigate()
  const open = search.get('chat') ?? undefined
  const unread = useUnread(session).data?.totalUnread ?? 0

  return (
    <main className={open === undefined ? 'messages' : 'messages open'}>
      <title>{unread > 0 ? `(${unread}) Messages · Pryde` : 'Messages · Pryde'}</title>
      <nav aria-label="Conversations">
        <h1>Messages</h1>
        <FindPerson session={session} onFound={(person) => void navigate(`/messages?chat=${person._id}`)} />
        <Problem error={conversations.error}>
          <Button look="plain" onClick={() => void conversations.refetch()}>
            Try again
          </Button>
        </Problem>
        {conversations.isPending && (
          <p role="status" className="hint">
            Loading…
          </p>
        )}
        {conversations.data && <ConversationList rows={rows} me={me} open={open} />}
        {earlier !== null && (
          <Button look="plain" busy={older.isPending} onClick={() => older.mutate(earlier)}>
            Show more
          </Button>
        )}
        <Problem error={older.error} />
      </nav>
      <section aria-label="Conversation">
        {open === undefined ? (
          <p className="hint nothing">Choose a conversation, or find somebody to write to.</p>
        ) : (
          (conversations.data ?? conversations.error) && <Open key={open} session={session} outbox={outbox} me={me} peer={open} row={rows.find((r) => r._id === open)} />
        )}
      </section>
    </main>
  )
}

function Open({ session, outbox, me, peer, row }: MessagesPageProps & { peer: UserID; row: Conversation | undefined }) {
  // Whether the row was there at first decides, so that the first message changes nothing here.
  const [asked] = useState(row === undefined && peer !== me)
  const profile = useProfile(session, peer, asked)
  const stranger = profile.data && (profile.data.displayName || profile.data.username)
  const name = row ? nameOf(row, me) : peer === me ? notesName : stranger
  return (
    <>
      <header>
        <Link to="/messages" className="button plain back" aria-label="All conversations">
          ‹
        </Link>
        {name !== undefined && <Avatar name={name} />}
        <h2>{name ?? (profile.isError ? 'Nobody' : 'Loading…')}</h2>
      </header>
      <Problem error={name === undefined ? profile.error : null} />
      {name !== undefined && <ThreadView session={session} outbox={outbox} me={me} peer={peer} name={name} />}
    </>
  )
}
