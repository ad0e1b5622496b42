import type { Message, MessageID, NewMessage, Reply, Sent, Time, UserID } from '../../wire/wire.gen'
import { Store } from '../../lib/store'

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
 * What was written and is on its way. An attempt keeps its name: however often it is sent,
 * the server stores it once.
 */
export class Outbox {
  readonly pending = new Store<readonly Pending[]>([])

  constructor(
    private readonly post: Post,
    private readonly newName: () => string = () => `temp_${Date.now()}_${crypto.getRandomValues(new Uint32Array(2)).join('')}`,
  ) {}

  send(recipient: UserID, content: string): void {
    const entry: Pending = { tempId: this.newName(), recipient, content, at: new Date().toISOString(), state: 'sending' }
    this.pending.set([...this.pending.get(), entry])
    void this.#deliver(entry)
  }

  /** Sends a failed message again, under its name. */
  retry(tempId: string): void {
    this.#change(tempId, (entry) => ({ ...entry, state: 'sending' }))
    const entry = this.pending.get().find((p) => p.tempId === tempId)
    if (entry) void this.#deliver(entry)
  }

  /** Sends what waits, in the order in which it was written. To be called after each connecting. */
  resume(): void {
    for (const entry of this.pending.get()) if (entry.state === 'sending') void this.#deliver(entry)
  }

  /** The server has shown the message. */
  shown(message: Message): void {
    this.pending.set(this.pending.get().filter((p) => p.tempId !== message._tempId && !(p.state === 'stored' && p.messageId === message._id)))
  }

  async #deliver({ tempId, recipient, content }: Pending): Promise<void> {
    if (!this.post.connected()) return
    try {
      const reply = await this.post.deliver({ recipientId: recipient, content, _tempId: tempId })
      if ('error' in reply) this.#change(tempId, (entry) => ({ ...entry, state: 'failed', why: reply.message }))
      else this.#change(tempId, (entry) => ({ ...entry, state: 'stored', messageId: reply.messageId }))
    } catch {
      // Without a connection it waits for the next one.
      if (this.post.connected()) this.#change(tempId, (entry) => ({ ...entry, state: 'failed', why: 'The server did not answer.' }))
    }
  }

  #change(tempId: string, change: (entry: Pending) => Pending): void {
    this.pending.set(this.pending.get().map((p) => (p.tempId === tempId ? change(p) : p)))
  }
}
