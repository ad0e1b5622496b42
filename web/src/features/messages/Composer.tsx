import { useId, useState, type KeyboardEvent } from 'react'

import { Button } from '../../ui/Button'

/** The longest message, in characters as the server counts them. */
const maxCharacters = 10_000

export function Composer({ to, onSend }: { to: string; onSend(text: string): void }) {
  const [text, setText] = useState('')
  const id = useId()
  const trimmed = text.trim()
  const over = [...trimmed].length - maxCharacters

  const send = () => {
    if (trimmed === '' || over > 0) return
    onSend(trimmed)
    setText('')
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== 'Enter' || e.shiftKey || e.nativeEvent.isComposing) return
    e.preventDefault()
    send()
  }

  return (
    <form
      className="composer"
      method="post"
      onSubmit={(e) => {
        e.preventDefault()
        send()
      }}
    >
      <textarea
        aria-label={`Message to ${to}`}
        aria-invalid={over > 0 || undefined}
        aria-describedby={over > 0 ? id : undefined}
        rows={1}
        enterKeyHint="send"
        // A finger that opens a conversation does not want the keyboard yet.
        autoFocus={matchMedia('(pointer: fine)').matches}
        placeholder={`Message to ${to}`}
        value={text}
        onChange={(e) => setText(e.target.value)}
        onKeyDown={onKeyDown}
      />
      <Button type="submit" disabled={trimmed === '' || over > 0}>
        Send
      </Button>
      {over > 0 && (
        <p id={id} className="problem">
          {over} characters too long
        </p>
      )}
      {/* Read out when the limit is crossed, not with every key. */}
      <p role="status" className="unseen">
        {over > 0 && 'The message is too long.'}
      </p>
    </form>
  )
}
