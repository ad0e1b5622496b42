import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'

import type { Session } from '../../lib/session'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Problem } from '../../ui/Problem'
import { textOf } from './form'
import { LogInCode } from './LogInCode'

export function LogIn({ session }: { session: Session }) {
  const [tempToken, setTempToken] = useState<string>()
  const logIn = useMutation({
    mutationFn: (form: FormData) => session.logIn({ email: textOf(form, 'email'), password: textOf(form, 'password') }),
    onSuccess: setTempToken,
  })
  if (tempToken !== undefined) return <LogInCode session={session} tempToken={tempToken} onBack={() => setTempToken(undefined)} />

  return (
    <form
      method="post"
      onSubmit={(e) => {
        e.preventDefault()
        logIn.mutate(new FormData(e.currentTarget))
      }}
    >
      <Field label="E-mail or username" name="email" autoComplete="username" autoCapitalize="none" spellCheck={false} required />
      <Field label="Password" name="password" type="password" autoComplete="current-password" required />
      <Problem error={logIn.error} />
      <Button type="submit" busy={logIn.isPending}>
        Log in
      </Button>
    </form>
  )
}
