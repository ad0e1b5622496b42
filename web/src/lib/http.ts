import type { FieldProblem, Problem, Routes } from '../wire/wire.gen'

/** Where the server is; empty where it serves this page itself. */
export const serverUrl = (import.meta.env.VITE_API_URL ?? '').replace(/\/$/, '')

const timeoutMs = 15_000

export type Route = keyof Routes

type Names<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never

/** What a route takes: the parameters of its path, its body and its query. */
export type Request<R extends Route> = ([Names<R>] extends [never] ? { params?: undefined } : { params: Record<Names<R>, string> }) &
  ([Routes[R]['body']] extends [undefined] ? { body?: undefined } : { body: Routes[R]['body'] }) & {
    query?: Routes[R]['query']
    signal?: AbortSignal
  }

/** What a route answers. next is the cursor of the following page, null at the end. */
export interface Response<R extends Route> {
  body: Routes[R]['answer']
  next: string | null
}

/** The server refused the request. The message is for people. */
export class Refused extends Error {
  readonly code: string
  readonly fields: readonly FieldProblem[]

  constructor(
    readonly status: number,
    problem: Partial<Problem>,
  ) {
    super(problem.message ?? 'The server cannot answer at the moment.')
    this.code = problem.code ?? ''
    this.fields = problem.errors ?? []
  }
}

/** No answer came. */
export class Unreachable extends Error {
  constructor() {
    super('The server cannot be reached.')
  }
}

/** Whether the same request may be answered after a while: the trouble is not in the request. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof Refused) || error.status >= 500 || error.status === 429
}

/** Sends one request. Throws Refused or Unreachable. */
export async function send<R extends Route>(route: R, request: Request<R>, token?: string): Promise<Response<R>> {
  const [method, path] = addressOf(route, request.params, request.query)
  const headers: Record<string, string> = {}
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  if (request.body !== undefined) headers['Content-Type'] = 'application/json'
  const timeout = AbortSignal.timeout(timeoutMs)

  const response = await fetch(serverUrl + path, {
    method,
    headers,
    credentials: 'include',
    signal: request.signal ? AbortSignal.any([request.signal, timeout]) : timeout,
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
  }).catch((error: unknown) => {
    throw request.signal?.aborted ? error : new Unreachable()
  })
  const body: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw new Refused(response.status, (body ?? {}) as Partial<Problem>)
  if (body === undefined) throw new Unreachable()
  return { body: body as Routes[R]['answer'], next: response.headers.get('X-Next-Cursor') }
}

/** The method and the path of a request, parameters filled in. */
export function addressOf(route: Route, params: Record<string, string> = {}, query: object = {}): [method: string, path: string] {
  const [method = '', pattern = ''] = route.split(' ')
  const path = pattern.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  return [method, search.size > 0 ? `${path}?${search}` : path]
}
