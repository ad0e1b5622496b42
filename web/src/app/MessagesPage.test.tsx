import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { MemoryRouter } from 'react-router'
import { afterEach, expect, test, vi } from 'vitest'

import { Outbox } from '../features/messages/outbox'
import { newCache } from '../lib/query'
import { Session } from '../lib/session'
import { acks, answers } from '../wire/examples.gen'
import type { Conversation } from '../wire/wire.gen'
import { MessagesPage } from './MessagesPage'

afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

const me = answers['POST /api/refresh'].user._id
const [example] = answers['GET /api/messages/conversations']
if (!example?.otherUser) throw new Error('the example has a conversation with somebody')
const { otherUser } = example
const withPerson = (name: string): Conversation => ({ ...example, _id: name, otherUser: { ...otherUser, _id: name, displayName: name } })

/** A server with two pages of conversations and 7 unread messages. */
function serve(first: Conversation[], second: Conversation[]): void {
  const bodies: Record<string, unknown> = {
    '/api/refresh': answers['POST /api/refresh'],
    '/api/messages/conversations': first,
    '/api/messages/conversations?before=cursor': second,
    '/api/messages/unread/counts': { totalUnread: 7, unreadByUser: [] },
    [`/api/messages/${me}`]: [],
  }
  vi.stubGlobal('fetch', async (path: string) => {
    const headers = path === '/api/messages/conversations' ? { 'X-Next-Cursor': 'cursor' } : undefined
    return new Response(JSON.stringify(bodies[path] ?? {}), { status: path in bodies ? 200 : 404, ...(headers && { headers }) })
  })
}

function open(): void {
  const outbox = new Outbox({ connected: () => true, deliver: async () => acks.send_message })
  render(
    <MemoryRouter initialEntries={['/messages']}>
      <QueryClientProvider client={newCache()}>
        <MessagesPage session={new Session()} outbox={outbox} me={me} />
      </QueryClientProvider>
    </MemoryRouter>,
  )
}

test('who has more conversations than one page reaches them, and the title counts those too', async () => {
  serve([withPerson('Bob'), withPerson('Carla')], [withPerson('Dora')])
  open()
  await screen.findByRole('link', { name: /Bob/ })
  expect(screen.queryByRole('link', { name: /Dora/ })).toBeNull()
  await waitFor(() => expect(document.title).toBe('(7) Messages · Pryde'))

  await userEvent.click(screen.getByRole('button', { name: 'Show more' }))

  await screen.findByRole('link', { name: /Dora/ })
  expect(screen.getAllByRole('link', { name: /Bob|Carla/ })).toHaveLength(2)
  expect(screen.queryByRole('button', { name: 'Show more' })).toBeNull()
})

test('notes to oneself can be begun', async () => {
  serve([withPerson('Bob')], [])
  open()

  await userEvent.click(await screen.findByRole('link', { name: 'Notes to yourself' }))

  await screen.findByRole('heading', { name: 'Notes to yourself' })
  expect(await screen.findByRole('textbox', { name: 'Message to Notes to yourself' })).toBeDefined()
})

test('notes that are there already are in the list once', async () => {
  serve([{ ...example, _id: me }, withPerson('Bob')], [])
  open()

  expect(await screen.findAllByRole('link', { name: /Notes to yourself/ })).toHaveLength(1)
})
