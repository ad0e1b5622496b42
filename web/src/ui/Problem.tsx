import { useId, type ReactNode } from 'react'

/** Says what went wrong. It is read out when it appears. */
export function Problem({ error, children }: { error: Error | null; children?: ReactNode }) {
  const id = useId()
  if (!error) return null
  return (
    <div role="alert" aria-labelledby={id} className="notice bad">
      <span id={id}>{error.message}</span>
      {children}
    </div>
  )
}
