import { useMutation } from '@tanstack/react-query'

import type { Session } from '../../lib/session'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Problem } from '../../ui/Problem'
import { textOf } from './form'

interface LogInCodeProps {
  session: Session
  tempToken: string
  onBack(): void
}

/** The second step of a login. */
export function LogInCode({ session, tempToken, onBack }: LogInCodeProps) {
  const logIn = useMutation({ mutationFn: (form: FormData) => session.logInWithCode({ tempToken, token: textOf(form, 'code').trim() }) })

  return (
    <form
      method="post"
      onSubmit={(e) => {
        e.preventDefault()
        logIn.mutate(new FormData(e.currentTarget))
      }}
    >
      <Field label="Code" name="code" autoComplete="one-time-code" hint="Six digits from your authenticator app, or a backup code." autoFocus required />
      <Problem error={logIn.error} />
      <Button type="submit" busy={logIn.isPending}>
        Log in
      </Button>
      <Button look="plain" onClick={onBack}>
        Back
      </Button>
    </form>
  )
}
