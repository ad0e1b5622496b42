import { Link } from 'react-router'

import { briefTime } from '../../lib/time'
import { Avatar } from '../../ui/Avatar'
import type { Conversation, UserID } from '../../wire/wire.gen'

interface ConversationListProps {
  rows: readonly Conversation[]
  me: UserID
  open: UserID | undefined
}

/** The conversations, newest first. */
export function ConversationList({ rows, me, open }: ConversationListProps) {
  if (rows.length === 0) return <p className="hint">No conversations yet. Find somebody to write to.</p>
  return (
    <ul className="people">
      {rows.map((row) => {
        const name = nameOf(row, me)
        return (
          <li key={row._id}>
            <Link className="row" to={`/messages?chat=${row._id}`} aria-current={row._id === open ? 'page' : undefined}>
              <Avatar name={name} />
              <span className="who">
                <strong>{name}</strong>
                <span className="preview">{preview(row, me)}</span>
              </span>
              <span className="side">
                {row.lastMessage && <time dateTime={row.lastMessage.createdAt}>{briefTime(row.lastMessage.createdAt)}</time>}
                {row.unreadCount > 0 && (
                  <span className="badge">
                    {row.unreadCount}
                    <span className="unseen"> unread</span>
                  </span>
                )}
              </span>
            </Link>
          </li>
        )
      })}
    </ul>
  )
}

/** What the conversation with a person is called. */
export function nameOf(row: Conversation, me: UserID): string {
  if (row._id === me) return 'Notes to yourself'
  return row.otherUser?.displayName || row.otherUser?.username || 'Deleted account'
}

function preview({ lastMessage }: Conversation, me: UserID): string {
  if (!lastMessage) return ''
  if (lastMessage.isDeletedForAll) return 'Message deleted'
  const text = lastMessage.content || 'An attachment'
  return lastMessage.sender === me ? `You: ${text}` : text
}
