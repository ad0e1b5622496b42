import type { LoggedIn, LogIn, SecondStep, SignUp, User } from '../wire/wire.gen'
import { Refused, send, Unreachable, type Request, type Response, type Route } from './http'
import { pause } from './pause'
import { Store } from './store'

export type SessionState =
  | { state: 'starting' }
  | { state: 'unreachable' } // asked again until the server answers
  | { state: 'out'; reason?: string }
  | { state: 'in'; user: User }

const retryMs = 2_000

/** A token that ends so soon is renewed before it is used. */
const marginMs = 30_000

/**
 * What the server says, with status 401, of a token that it does not take, or of an account
 * that is gone: then a renewal ends the session. Other codes are about something else in the
 * request, such as a wrong password.
 */
const tokenCodes = new Set(['UNAUTHORIZED', 'TOKEN_EXPIRED', 'MALFORMED_TOKEN', 'TOKEN_NOT_ACTIVE', 'INVALID_TOKEN', 'ACCOUNT_DELETED'])

interface Token {
  text: string
  goodUntil: number
}

/**
 * Who is logged in. The access token lives in memory only; the refresh cookie, which scripts
 * cannot read, brings a new one after a reload. Trouble with the network or the server never
 * logs anybody out: only the server's 401 and 403 do.
 */
export class Session {
  readonly state = new Store<SessionState>({ state: 'starting' })
  #token: Token | undefined
  #renewal: Promise<string> | undefined

  /** Finds out whether somebody is logged in, as often as it takes or until the signal is given. */
  async start(signal: AbortSignal): Promise<void> {
    const unknown = () => !signal.aborted && ['starting', 'unreachable'].includes(this.state.get().state)
    while (unknown()) {
      try {
        await this.renew()
      } catch {
        if (!unknown()) return
        this.state.set({ state: 'unreachable' })
        await pause(retryMs, signal)
      }
    }
  }

  /** Logs in. Where the account has a second factor the returned token is for logInWithCode. */
  async logIn(body: LogIn): Promise<string | undefined> {
    const { body: answer } = await send('POST /api/auth/login', { body })
    if (answer.requires2FA) return answer.tempToken
    this.#logged(answer)
    return undefined
  }

  async logInWithCode(body: SecondStep): Promise<void> {
    const { body: answer } = await send('POST /api/auth/verify-2fa-login', { body })
    this.#logged(answer)
  }

  async signUp(body: SignUp): Promise<void> {
    const { body: answer } = await send('POST /api/auth/signup', { body })
    this.#enter(answer.accessToken, answer.user)
  }

  /** Ends the session on the server too; throws where that is not possible, and nothing has ended then. */
  async logOut(): Promise<void> {
    try {
      await this.call('POST /api/auth/logout', {})
    } catch (error) {
      if (!isOver(error)) throw error
    }
    this.end()
  }

  /** The session is over. The reason is shown. */
  end(reason?: string): void {
    this.#token = undefined
    if (this.state.get().state !== 'out') this.state.set({ state: 'out', ...(reason !== undefined && { reason }) })
  }

  /** An access token that is good for a while. */
  token(): Promise<string> {
    const token = this.#token
    return token && Date.now() < token.goodUntil - marginMs ? Promise.resolve(token.text) : this.renew()
  }

  /** Trades the cookie for a new access token. All who ask meanwhile get the same. */
  renew(): Promise<string> {
    this.#renewal ??= this.#trade().finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  /** Sends a request as this person; a token that the server no longer takes is renewed once. */
  async call<R extends Route>(route: R, request: Request<R>): Promise<Response<R>> {
    const token = await this.token()
    try {
      return await send(route, request, token)
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401 || !tokenCodes.has(error.code)) throw error
      return send(route, request, this.#token && this.#token.text !== token ? this.#token.text : await this.renew())
    }
  }

  async #trade(): Promise<string> {
    const before = this.state.get()
    try {
      const { body } = await send('POST /api/refresh', {})
      if (this.state.get() !== before) throw new Error('logged out or in meanwhile')
      this.#enter(body.accessToken, body.user)
      return body.accessToken
    } catch (error) {
      // Whoever has logged in meanwhile has another session than the one that is over.
      if (isOver(error) && this.state.get() === before) this.end(before.state === 'in' ? 'Your session has ended. Please log in again.' : undefined)
      throw error
    }
  }

  #logged({ accessToken, user }: LoggedIn): void {
    if (accessToken === undefined || user === undefined) throw new Unreachable()
    this.#enter(accessToken, user)
  }

  #enter(text: string, user: User): void {
    this.#token = { text, goodUntil: Date.now() + lifeOf(text) }
    const now = this.state.get()
    // Who renews a token is the same person; the state, and all that hangs on it, stays.
    if (now.state !== 'in' || now.user._id !== user._id) this.state.set({ state: 'in', user })
  }
}

function isOver(error: unknown): boolean {
  return error instanceof Refused && (error.status === 401 || error.status === 403)
}

/** How long a token lives, in milliseconds. The clock of this machine plays no part. */
function lifeOf(token: string): number {
  const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
  const { iat, exp } = JSON.parse(atob(payload)) as { iat: number; exp: number }
  return (exp - iat) * 1_000
}
