import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { expect, vi } from 'vitest'

const module = fileURLToPath(new URL('../../..', import.meta.url))

/** How long anything may take, in milliseconds. */
export const patience = 10_000

/** The bare engine with the small application, see internal/socketio/fixture, and the clients that a test opens. */
export class Fixture {
  private readonly clients: Socket[] = []

  private constructor(
    private readonly folder: string,
    private readonly process: ChildProcess,
    readonly port: number,
  ) {}

  /** Builds and starts the program. GOFLAGS=-race makes it look for races. */
  static async start(...flags: string[]): Promise<Fixture> {
    const folder = mkdtempSync(join(tmpdir(), 'fixture-'))
    const program = join(folder, 'fixture')
    await promisify(execFile)('go', ['build', '-o', program, './internal/socketio/fixture'], { cwd: module })
    for (let tries = 0; tries < 20; tries++) {
      const port = 20_000 + Math.floor(Math.random() * 10_000)
      const child = spawn(program, ['-addr', `127.0.0.1:${port}`, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
      const line = once(createInterface(child.stdout), 'line').then(() => true)
      if (await Promise.race([line, once(child, 'exit').then(() => false)])) return new Fixture(folder, child, port)
    }
    throw new Error('the fixture found no port')
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** A client that connects by itself, without waiting for it. */
  client(options: Partial<ManagerOptions & SocketOptions> = {}, url = this.url): Socket {
    const socket = io(url, { auth: { token: 'good' }, forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options })
    this.clients.push(socket)
    return socket
  }

  /** A client that is connected. */
  async connect(options: Partial<ManagerOptions & SocketOptions> = {}, url = this.url): Promise<Socket> {
    const socket = this.client(options, url)
    await heard(socket, 'connect')
    return socket
  }

  /** Why the socket of this id left, once it has. */
  reason(id: string): Promise<string> {
    return vi.waitFor(
      async () => {
        const response = await fetch(`${this.url}/reason?id=${id}`)
        expect(response.status).toBe(200)
        return response.text()
      },
      { timeout: patience, interval: 20 },
    )
  }

  closeClients(): void {
    for (const socket of this.clients.splice(0)) socket.close()
  }

  /** Ends the program, which has to end cleanly and without a race. */
  async end(): Promise<void> {
    this.closeClients()
    const exit = once(this.process, 'exit')
    this.process.kill('SIGTERM')
    const [code] = await exit
    rmSync(this.folder, { recursive: true, force: true })
    expect(code).toBe(0)
  }
}

/** The arguments of the next event of this name. */
export function heard(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${event} was not heard`)), patience)
    socket.once(event, (...args: unknown[]) => {
      clearTimeout(late)
      resolve(args)
    })
  })
}

/** Emits an event and returns the arguments of its acknowledgement. */
export function ask(socket: Socket, event: string, ...args: unknown[]): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    socket.timeout(patience).emit(event, ...args, (error: Error | null, ...answer: unknown[]) => {
      if (error) reject(error)
      else resolve(answer)
    })
  })
}

/** Keeps the first arguments of the msg events of a socket. */
export class Inbox {
  readonly got: unknown[] = []

  constructor(socket: Socket) {
    socket.on('msg', (first: unknown) => this.got.push(first))
  }

  /** Waits until there are this many, and returns all that there are. */
  filled(count: number): Promise<unknown[]> {
    return vi.waitFor(
      () => {
        expect(this.got.length).toBeGreaterThanOrEqual(count)
        return this.got
      },
      { timeout: patience, interval: 10 },
    )
  }
}

/** The numbers from a first one on. */
export const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
