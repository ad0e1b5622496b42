import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test } from 'vitest'

import { Refused } from '../../lib/http'
import { newCache } from '../../lib/query'
import { Session } from '../../lib/session'
import { bodies, problem } from '../../wire/examples.gen'
import type { SignUp as SignUpBody } from '../../wire/wire.gen'
import { SignUp } from './SignUp'

afterEach(cleanup)

class Refusing extends Session {
  readonly asked: SignUpBody[] = []

  override async signUp(body: SignUpBody): Promise<void> {
    this.asked.push(body)
    throw new Refused(400, { ...problem, errors: [{ field: 'username', message: 'Username already taken' }] })
  }
}

test('what is filled in is what is sent, and a refusal stands at its field', async () => {
  const session = new Refusing()
  render(
    <QueryClientProvider client={newCache()}>
      <SignUp session={session} />
    </QueryClientProvider>,
  )
  const want = bodies['POST /api/auth/signup']

  await userEvent.type(screen.getByLabelText('Name'), want.fullName)
  await userEvent.type(screen.getByLabelText('Username'), want.username)
  await userEvent.type(screen.getByLabelText('E-mail'), want.email)
  await userEvent.type(screen.getByLabelText('Password'), 'Correct-Horse-7')
  await userEvent.type(screen.getByLabelText('Birthday'), '1990-01-31')
  await userEvent.click(screen.getByRole('button', { name: 'Sign up' }))

  const field = screen.getByLabelText('Username')
  const described = (field.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent)
  expect(session.asked).toEqual([{ fullName: want.fullName, displayName: want.fullName, username: want.username, email: want.email, password: 'Correct-Horse-7', birthday: '1990-01-31' }])
  expect(field.getAttribute('aria-invalid')).toBe('true')
  expect(described).toContain('Username already taken')
})
