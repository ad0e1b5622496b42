import { useMutation } from '@tanstack/react-query'

import { Refused } from '../../lib/http'
import type { Session } from '../../lib/session'
import { Button } from '../../ui/Button'
import { Field } from '../../ui/Field'
import { Problem } from '../../ui/Problem'
import { textOf } from './form'

export function SignUp({ session }: { session: Session }) {
  const signUp = useMutation({
    mutationFn: (form: FormData) =>
      session.signUp({
        fullName: textOf(form, 'fullName'),
        displayName: textOf(form, 'fullName'), // what others see; the username otherwise
        username: textOf(form, 'username'),
        email: textOf(form, 'email'),
        password: textOf(form, 'password'),
        birthday: textOf(form, 'birthday'),
      }),
  })
  const fields = signUp.error instanceof Refused ? signUp.error.fields : []
  const wrong = (name: string) => fields.find((f) => f.field === name)?.message

  return (
    <form
      method="post"
      onSubmit={(e) => {
        e.preventDefault()
        signUp.mutate(new FormData(e.currentTarget))
      }}
    >
      <Field label="Name" name="fullName" autoComplete="name" problem={wrong('fullName')} required minLength={2} maxLength={50} />
      <Field
        label="Username"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        hint="3 to 30 letters, digits and underscores. Others find you by it."
        problem={wrong('username')}
        pattern="[A-Za-z0-9_]{3,30}"
        required
      />
      <Field label="E-mail" name="email" type="email" autoComplete="email" problem={wrong('email')} required />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="new-password"
        hint="At least 12 characters, with small and capital letters, a digit and a special character."
        problem={wrong('password')}
        minLength={12}
        maxLength={128}
        required
      />
      <Field label="Birthday" name="birthday" type="date" autoComplete="bday" hint="You have to be 18." problem={wrong('birthday')} required />
      <Problem error={signUp.error} />
      <Button type="submit" busy={signUp.isPending}>
        Sign up
      </Button>
    </form>
  )
}
