import type { QueryClient, QueryKey } from '@tanstack/react-query'

/**
 * Brings what is loaded up to date. Where change cannot tell how (undefined) it is loaded
 * again, and so is what is being loaded at this moment: that answer may be of before.
 */
export function patch<T>(cache: QueryClient, key: QueryKey, change: (data: T) => T | undefined): void {
  const data = cache.getQueryData<T>(key)
  const changed = data === undefined ? undefined : change(data)
  if (changed !== undefined) cache.setQueryData<T>(key, changed)
  const loading = cache.isFetching({ queryKey: key, exact: true }) > 0
  if (loading || (data !== undefined && changed === undefined)) reload(cache, key)
}

/** Loads everything below a key again, from the start where it is being loaded already. */
export function reload(cache: QueryClient, key: QueryKey): void {
  // To invalidate alone would leave a first load running that began too early.
  void cache.cancelQueries({ queryKey: key }).then(() => cache.invalidateQueries({ queryKey: key }))
}
