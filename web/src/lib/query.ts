import { QueryClient } from '@tanstack/react-query'

import { mayPass } from './http'

const tries = 3

/** A cache for what the server knows. Sockets keep it in step, so nothing in it grows old by itself. */
export function newCache(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: Infinity,
        networkMode: 'always',
        refetchOnWindowFocus: false,
        retry: (failures, error) => failures < tries && mayPass(error),
      },
      mutations: { networkMode: 'always' },
    },
  })
}
