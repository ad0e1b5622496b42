import type { ComponentProps } from 'react'

interface ButtonProps extends ComponentProps<'button'> {
  look?: 'main' | 'plain'
  busy?: boolean
}

/** While it is busy it keeps its focus and does nothing. */
export function Button({ look = 'main', busy = false, type = 'button', onClick, ...rest }: ButtonProps) {
  return (
    <button {...rest} type={type} className={`button ${look}`} aria-disabled={busy || undefined} onClick={busy ? (e) => e.preventDefault() : onClick} />
  )
}
