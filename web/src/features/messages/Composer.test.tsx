import { cleanup, render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, expect, test, vi } from 'vitest'

import { Composer } from './Composer'

afterEach(cleanup)

const box = () => screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message to Bob' })
const button = () => screen.getByRole<HTMLButtonElement>('button', { name: 'Send' })

test('Enter sends the trimmed text and empties the box; Shift and Enter is a new line', async () => {
  const onSend = vi.fn<(text: string) => void>()
  render(<Composer to="Bob" onSend={onSend} />)

  await userEvent.type(box(), ' one{Shift>}{Enter}{/Shift}two {Enter}')

  expect(onSend.mock.calls).toEqual([['one\ntwo']])
  expect(box().value).toBe('')
})

test('nothing but spaces cannot be sent', async () => {
  const onSend = vi.fn<(text: string) => void>()
  render(<Composer to="Bob" onSend={onSend} />)

  await userEvent.type(box(), '   {Enter}')

  expect(button().disabled).toBe(true)
  expect(onSend).not.toHaveBeenCalled()
})

test('a text that is too long says by how much, counted as the server counts', async () => {
  const onSend = vi.fn<(text: string) => void>()
  render(<Composer to="Bob" onSend={onSend} />)
  box().focus()

  await userEvent.paste('😀'.repeat(10_002))

  expect(document.getElementById(box().getAttribute('aria-describedby') ?? '')?.textContent).toBe('2 characters too long')
  expect(box().getAttribute('aria-invalid')).toBe('true')
  expect(button().disabled).toBe(true)
})

test('crossing the limit is read out once, and again only after going back', async () => {
  render(<Composer to="Bob" onSend={() => undefined} />)
  const heard: string[] = []
  const said = screen.getByRole('status')
  const listen = new MutationObserver(() => heard.push(said.textContent ?? ''))
  listen.observe(said, { childList: true, characterData: true, subtree: true })
  box().focus()

  await userEvent.paste('x'.repeat(10_001))
  await userEvent.type(box(), 'yz')
  await userEvent.type(box(), '{Backspace}{Backspace}{Backspace}')
  listen.disconnect()

  expect(heard).toEqual(['The message is too long.', ''])
})
