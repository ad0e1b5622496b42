import { clockTime } from '../../lib/time'
import { Button } from '../../ui/Button'
import { textOf, type Entry } from './thread'

const stateText: Record<Entry['state'], string> = {
  received: '',
  sending: 'Sending…',
  stored: 'Sent',
  sent: 'Sent',
  read: 'Read',
  failed: 'Not sent',
}

/** One message, or one that is on its way. */
export function Row({ entry, from, onRetry }: { entry: Entry; from: string; onRetry(tempId: string): void }) {
  const mine = entry.state !== 'received'
  const gone = 'message' in entry && entry.message.isDeleted
  const at = 'message' in entry ? entry.message.createdAt : entry.pending.at
  return (
    <li className={`message ${mine ? 'mine' : 'theirs'} ${entry.state}`}>
      <span className="unseen">{mine ? 'You' : from}: </span>
      <p className={gone ? 'text gone' : 'text'}>{textOf(entry)}</p>
      <p className="meta">
        <time dateTime={at}>{clockTime(at)}</time>
        {'message' in entry && entry.message.edited && ' · edited'}
        {mine && ` · ${stateText[entry.state]}`}
        {entry.state === 'failed' && (
          <>
            : {entry.why}{' '}
            <Button look="plain" onClick={() => onRetry(entry.pending.tempId)}>
              Try again
            </Button>
          </>
        )}
      </p>
    </li>
  )
}
