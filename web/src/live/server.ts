import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const binary = fileURLToPath(new URL('../../../bin/pryde', import.meta.url))

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The real binary with a data folder of its own. It keeps port and data over restarts. */
export class Server {
  readonly url: string
  private process: ChildProcess | undefined

  private constructor(
    private readonly port: number,
    private readonly data: string,
  ) {
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<Server> {
    if (!existsSync(binary)) throw new Error(`${binary} is missing: run make build`)
    const server = new Server(await freePort(), mkdtempSync(join(tmpdir(), 'pryde-')))
    await server.run()
    return server
  }

  /** Starts the process again after stop or kill. */
  async run(): Promise<void> {
    const env = { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: String(this.port), DATA_DIR: this.data, RATE_LIMIT_FACTOR: '1000' }
    this.process = spawn(binary, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    for (let tries = 0; tries < 200; tries++) {
      if (await fetch(`${this.url}/readyz`).then((r) => r.ok, () => false)) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error('the server did not become ready')
  }

  /** Ends the process and returns its exit code; null after SIGKILL. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const ending = this.process
    if (!ending) return null
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
