import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { expect, test, vi } from 'vitest'

import { patch, reload } from './patch'

const key = ['numbers']

/** A list that the server has, and a page that shows it. The test says when answers arrive. */
function shown() {
  const cache = new QueryClient()
  const server = { has: [1] }
  const waiting: (() => void)[] = []
  const load = ({ signal }: { signal: AbortSignal }) => {
    const answer = [...server.has] // what the server had when it was asked
    return new Promise<number[]>((resolve, reject) => {
      signal.addEventListener('abort', reject)
      waiting.push(() => resolve(answer))
    })
  }
  const leave = new QueryObserver(cache, { queryKey: key, queryFn: load, staleTime: Infinity }).subscribe(() => undefined)
  const answered = async (asked: number) => {
    await vi.waitFor(() => expect(waiting).toHaveLength(asked))
    for (const answer of waiting) answer()
    await vi.waitFor(() => expect(cache.isFetching()).toBe(0))
  }
  return { cache, server, answered, leave }
}

test('an event that comes during the first load is not lost', async () => {
  const { cache, server, answered, leave } = shown()
  server.has = [1, 2]

  patch<number[]>(cache, key, (numbers) => [...numbers, 2])
  await answered(2)

  expect(cache.getQueryData(key)).toEqual([1, 2])
  leave()
})

test('an event that comes during a later load is not lost', async () => {
  const { cache, server, answered, leave } = shown()
  await answered(1)
  reload(cache, key)
  await vi.waitFor(() => expect(cache.isFetching()).toBe(1))
  server.has = [1, 2]

  patch<number[]>(cache, key, (numbers) => [...numbers, 2])
  await answered(3)

  expect(cache.getQueryData(key)).toEqual([1, 2])
  leave()
})

test('a change that can be told asks the server for nothing', async () => {
  const { cache, answered, leave } = shown()
  await answered(1)

  patch<number[]>(cache, key, (numbers) => [...numbers, 2])

  expect(cache.getQueryData(key)).toEqual([1, 2])
  expect(cache.isFetching()).toBe(0)
  leave()
})

test('a change that cannot be told has the data loaded again', async () => {
  const { cache, server, answered, leave } = shown()
  await answered(1)
  server.has = [7]

  patch<number[]>(cache, key, () => undefined)
  await answered(2)

  expect(cache.getQueryData(key)).toEqual([7])
  leave()
})

test('what was never loaded stays unloaded', () => {
  const cache = new QueryClient()

  patch<number[]>(cache, key, (numbers) => [...numbers, 2])

  expect(cache.getQueryState(key)).toBeUndefined()
})
