import type { Message, MessageID, NewMessage, Reply, Sent, Time, UserID } from '../../wire/wire.gen'
import { pause } from '../../lib/pause'
import { Store } from '../../lib/store'

const firstPauseMs = 1_000
const longestPauseMs = 30_000

/** A message that was written here and that the server has not shown yet. */
export type Pending = { tempId: string; recipient: UserID; content: string; at: Time } & (
  | { state: 'sending' } // or waiting for the connection
  | { state: 'stored'; messageId: MessageID } // acknowledged
  | { state: 'failed'; why: string }
)

/** How messages leave. deliver throws where it cannot be known whether the message arrived. */
export interface Post {
  connected(): boolean
  deliver(message: NewMessage): Promise<Reply<Sent>>
}

/**
 * What was written and is on its way, one message after the other. An attempt keeps its name:
 * however often it is sent, the server stores it once.
 */
export class Outbox {
  readonly pending = new Store<readonly Pending[]>([])
  #sending = false

  constructor(
    private readonly post: Post,
    private readonly newName: () => string = () => `temp_${Date.now()}_${crypto.getRandomValues(new Uint32Array(2)).join('')}`,
  ) {}

  send(recipient: UserID, content: string): void {
    const entry: Pending = { tempId: this.newName(), recipient, content, at: new Date().toISOString(), state: 'sending' }
    this.pending.set([...this.pending.get(), entry])
    void this.#sendAll()
  }

  /** Sends a failed message again, under its name. */
  retry(tempId: string): void {
    this.pending.set(this.pending.get().map((p) => (p.tempId === tempId && p.state === 'failed' ? { ...p, state: 'sending' } : p)))
    void this.#sendAll()
  }

  /** Sends what waits, in the order in which it was written. To be called after each connecting. */
  resume(): void {
    void this.#sendAll()
  }

  /** The server has shown the message. */
  shown(message: Message): void {
    this.#drop((p) => p.tempId === message._tempId || (p.state === 'stored' && p.messageId === message._id))
  }

  /** The server has shown these messages, or has told that they are gone. The names of their attempts need not be known. */
  settled(ids: ReadonlySet<MessageID>): void {
    this.#drop((p) => p.state === 'stored' && ids.has(p.messageId))
  }

  /** Sends while there is something to send and a connection. There is only one run at a time, so nothing overtakes. */
  async #sendAll(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    let pauseMs = firstPauseMs
    for (let entry = this.#first(); entry && this.post.connected(); entry = this.#first()) {
      if (await this.#deliver(entry)) {
        pauseMs = firstPauseMs
      } else {
        await pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      }
    }
    this.#sending = false
  }

  #first(): Pending | undefined {
    return this.pending.get().find((p) => p.state === 'sending')
  }

  /** Returns false where the message has to wait because there were too many. */
  async #deliver({ tempId, recipient, content }: Pending): Promise<boolean> {
    try {
      const reply = await this.post.deliver({ recipientId: recipient, content, _tempId: tempId })
      if (!('error' in reply)) this.#become(tempId, { state: 'stored', messageId: reply.messageId })
      else if (reply.code === 'RATE_LIMITED') return false
      else this.#become(tempId, { state: 'failed', why: reply.message })
    } catch {
      // Without a connection it waits for the next one.
      if (this.post.connected()) this.#become(tempId, { state: 'failed', why: 'The server did not answer.' })
    }
    return true
  }

  /** What was shown meanwhile is gone from here, whatever the answer. */
  #become(tempId: string, next: { state: 'stored'; messageId: MessageID } | { state: 'failed'; why: string }): void {
    this.pending.set(this.pending.get().map((p) => (p.tempId === tempId && p.state === 'sending' ? { ...p, ...next } : p)))
  }

  #drop(done: (entry: Pending) => boolean): void {
    const before = this.pending.get()
    const left = before.filter((p) => !done(p))
    if (left.length < before.length) this.pending.set(left)
  }
}
