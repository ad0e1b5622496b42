import { useState } from 'react'

import type { Session } from '../../lib/session'
import type { FoundPerson } from '../../wire/wire.gen'
import { Avatar } from '../../ui/Avatar'
import { Field } from '../../ui/Field'
import { Problem } from '../../ui/Problem'
import { useSearch } from './queries'
import { useSettled } from './settled'

const settleMs = 250

/** A search for somebody to write to. */
export function FindPerson({ session, onFound }: { session: Session; onFound(person: FoundPerson): void }) {
  const [text, setText] = useState('')
  const wanted = useSettled(text.trim(), settleMs)
  const search = useSearch(session, wanted)
  const found = wanted === '' ? undefined : search.data

  return (
    <search>
      <Field label="Find people" type="search" autoComplete="off" spellCheck={false} maxLength={100} value={text} onChange={(e) => setText(e.target.value)} />
      <Problem error={search.error} />
      <p role="status" className="hint">
        {found && (found.length === 0 ? 'Nobody found' : `${found.length} found`)}
      </p>
      {found && found.length > 0 && (
        <ul className="people" aria-label="People found">
          {found.map((person) => (
            <li key={person._id}>
              <button
                type="button"
                className="row"
                onClick={() => {
                  setText('')
                  onFound(person)
                }}
              >
                <Avatar name={person.displayName} />
                <span className="who">
                  <strong>{person.displayName}</strong>
                  <span className="hint">@{person.username}</span>
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </search>
  )
}
