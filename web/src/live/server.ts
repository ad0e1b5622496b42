import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const binary = fileURLToPath(new URL('../../../bin/pryde', import.meta.url))

// Below the ports that the system gives to whoever connects: while a server is away between two
// runs, none of those is in its place.
const firstPort = 20_000
const ports = 10_000
const tries = 10

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

async function freePort(): Promise<number> {
  for (let i = 0; i < tries; i++) {
    const port = firstPort + Math.floor(Math.random() * ports)
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

/** The variables of the store: with PRYDE_TEST_STORE=mongodb a new database at MONGODB_TEST_URI, see internal/testkit/mongod/with. */
function store(): Record<string, string> {
  if (process.env['PRYDE_TEST_STORE'] !== 'mongodb') return {}
  const uri = new URL(process.env['MONGODB_TEST_URI'] ?? '')
  uri.pathname = `/test_${randomBytes(6).toString('hex')}`
  return { MONGODB_URI: uri.href }
}

/** The process ended before it was ready. */
class Ended extends Error {
  constructor(code: number) {
    super(`the server ended with ${code}`)
  }
}

/** The real binary with a store of its own. It keeps port and data over restarts. */
export class Server {
  readonly url: string
  private process: ChildProcess | undefined

  private constructor(
    private readonly port: number,
    private readonly data: string,
    private readonly limitFactor: number,
    private readonly vars: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`
  }

  /** Starts a server whose budgets are so many times the usual ones, by default too wide to be met, with further variables. */
  static async start(limitFactor = 1_000, vars: Record<string, string> = {}): Promise<Server> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run make build`)
    for (let i = 1; ; i++) {
      const server = new Server(await freePort(), mkdtempSync(join(tmpdir(), 'pryde-')), limitFactor, { ...store(), ...vars })
      try {
        await server.run()
        return server
      } catch (error) {
        await server.remove()
        // Somebody else may have taken the port since it was found free.
        if (!(error instanceof Ended) || i === tries) throw error
      }
    }
  }

  /** Starts the process again after stop or kill. */
  async run(): Promise<void> {
    const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: String(this.port), DATA_DIR: this.data, RATE_LIMIT_FACTOR: String(this.limitFactor), ...this.vars }
    const child = spawn(binary, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    this.process = child
    for (let i = 0; i < 400; i++) {
      if (child.exitCode !== null) throw new Ended(child.exitCode)
      // One that stands by is ready too, and serves nobody.
      if (await fetch(`${this.url}/readyz`).then((r) => r.text(), () => '') === 'ok\n') return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('the server did not become ready')
  }

  /** Ends the process and returns its exit code; null after SIGKILL. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const ending = this.process
    if (!ending || ending.exitCode !== null) return ending?.exitCode ?? null
    const exit = once(ending, 'exit')
    ending.kill(signal)
    await exit
    this.process = undefined
    return ending.exitCode
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL')
    rmSync(this.data, { recursive: true, force: true })
  }
}
