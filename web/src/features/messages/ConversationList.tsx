import type { ReactNode } from 'react'
import { Link } from 'react-router'

import { briefTime } from '../../lib/time'
import { Avatar } from '../../ui/Avatar'
import type { Conversation, UserID } from '../../wire/wire.gen'

interface ConversationListProps {
  rows: readonly Conversation[]
  me: UserID
  open: UserID | undefined
}

/** What the conversation with oneself is called. */
export const notesName = 'Notes to yourself'

/** The conversations, newest first, and the one that anybody can begin at once. */
export function ConversationList({ rows, me, open }: ConversationListProps) {
  return (
    <>
      {rows.length === 0 && <p className="hint">No conversations yet. Find somebody to write to.</p>}
      <ul className="people">
        {rows.map((row) => (
          <li key={row._id}>
            <Item to={row._id} name={nameOf(row, me)} open={open}>
              <span className="who">
                <strong>{nameOf(row, me)}</strong>
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
            </Item>
          </li>
        ))}
        {!rows.some((row) => row._id === me) && (
          <li>
            <Item to={me} name={notesName} open={open}>
              <span className="who">
                <strong>{notesName}</strong>
              </span>
            </Item>
          </li>
        )}
      </ul>
    </>
  )
}

function Item({ to, name, open, children }: { to: UserID; name: string; open: UserID | undefined; children: ReactNode }) {
  return (
    <Link className="row" to={`/messages?chat=${to}`} aria-current={to === open ? 'page' : undefined}>
      <Avatar name={name} />
      {children}
    </Link>
  )
}

/** What the conversation with a person is called. */
export function nameOf(row: Conversation, me: UserID): string {
  if (row._id === me) return notesName
  return row.otherUser?.displayName || row.otherUser?.username || 'Deleted account'
}

function preview({ lastMessage }: Conversation, me: UserID): string {
  if (!lastMessage) return ''
  if (lastMessage.isDeletedForAll) return 'Message deleted'
  const text = lastMessage.content || 'An attachment'
  return lastMessage.sender === me ? `You: ${text}` : text
}
