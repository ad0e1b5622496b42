import { QueryClientProvider } from '@tanstack/react-query'
import { cleanup, renderHook } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { newCache } from '../../lib/query'
import { Session } from '../../lib/session'
import { answers, fromServer, problem } from '../../wire/examples.gen'
import { useReading } from './reading'
import type { Thread } from './thread'

const { sender: bob, recipient: ann, _id: newest } = fromServer['message:new']
const thread: Thread = { messages: [{ ...fromServer['message:new'], read: false }], earlier: null }

/** A server that answers the receipts with these states, one after the other; 0 is no answer. The last one stays. */
function serve(...states: number[]): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (path: string, { method }: { method: string }) => {
    if (path === '/api/refresh') return new Response(JSON.stringify(answers['POST /api/refresh']))
    asked.push(`${method} ${path}`)
    const status = states.length > 1 ? states.shift() : states[0]
    if (!status) throw new TypeError('network')
    return new Response(JSON.stringify(status === 200 ? answers['PUT /api/messages/{id}/read'] : problem), { status })
  })
  return asked
}

function open() {
  const [cache, session] = [newCache(), new Session()]
  const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={cache}>{children}</QueryClientProvider>
  return renderHook(() => useReading(session, thread, ann._id, bob._id), { wrapper })
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  cleanup()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('what the server could not be told is told again until it answers', async () => {
  const asked = serve(0, 503, 429, 200)
  open()

  await vi.advanceTimersByTimeAsync(60_000)

  expect(asked).toEqual(Array(4).fill(`PUT /api/messages/${newest}/read`))
})

test('what the server refuses is told once', async () => {
  const asked = serve(404)
  open()

  await vi.advanceTimersByTimeAsync(60_000)

  expect(asked).toHaveLength(1)
})

test('who leaves the conversation tells no more', async () => {
  const asked = serve(0)
  const { unmount } = open()
  await vi.advanceTimersByTimeAsync(1)
  expect(asked).toHaveLength(1)

  unmount()
  await vi.advanceTimersByTimeAsync(60_000)

  expect(asked).toHaveLength(1)
})
