import { useState } from 'react'

import { textOf, type Entry } from './thread'

/** So many of the newest are kept: whoever listens needs no second copy of the conversation. */
const kept = 10

/**
 * Reads out what comes in while the conversation is open, and what could not be sent. What was
 * there before, or is loaded from before, is read where it stands.
 */
export function Announcer({ entries, from }: { entries: readonly Entry[]; from: string }) {
  const [last] = useState(() => Math.max(0, ...entries.map(seqOf)))
  const news = entries.filter((e) => e.state === 'failed' || (e.state === 'received' && seqOf(e) > last))
  return (
    <div role="log" aria-label="New messages" className="unseen">
      {news.slice(-kept).map((e) => (
        <p key={e.key}>{e.state === 'failed' ? `Not sent: ${e.why}` : `${from}: ${textOf(e)}`}</p>
      ))}
    </div>
  )
}

function seqOf(entry: Entry): number {
  return 'message' in entry ? entry.message.seq : 0
}
