import { once } from 'node:events'
import { connect as dial, createServer, type AddressInfo, type Socket as Connection } from 'node:net'
import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ask, Fixture, heard, Inbox, numbers, patience } from './fixture'

let fixture: Fixture
let impatient: Fixture // gives up soon who does not answer
beforeAll(async () => {
  fixture = await Fixture.start()
  impatient = await Fixture.start('-pi', '300', '-pt', '1000')
})
afterEach(() => {
  fixture.closeClients()
  impatient.closeClients()
})
afterAll(async () => {
  await Promise.all([fixture.end(), impatient.end()])
})

/** Resolves when the client talks over WebSocket; rejects when the upgrade fails. */
function upgraded(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const { engine } = socket.io
    if (engine.transport.name === 'websocket') return resolve()
    const late = setTimeout(() => reject(new Error('the client was not upgraded')), patience)
    engine.once('upgrade', () => {
      clearTimeout(late)
      resolve()
    })
    engine.once('upgradeError', reject)
  })
}

/** Emits broadcasts with the numbers from 0 on until it is stopped, and returns how many there were. */
class Load {
  private running = true
  private readonly sent: Promise<number>

  constructor(socket: Socket, room: string) {
    this.sent = this.run(socket, room)
  }

  private async run(socket: Socket, room: string): Promise<number> {
    let next = 0
    while (this.running) {
      for (let i = 0; i < 5; i++) socket.emit('bcast', room, next++)
      await ask(socket, 'bcast', room, next++)
    }
    return next
  }

  stop(): Promise<number> {
    this.running = false
    return this.sent
  }
}

test('30 upgrades in a row under load lose, double and reorder nothing', async () => {
  const sender = await fixture.connect({ transports: ['websocket'] })
  const watcher = await fixture.connect({ transports: ['websocket'] })
  await ask(watcher, 'join', 'watched')
  const watched = new Inbox(watcher)
  const load = new Load(sender, 'load')

  for (let i = 0; i < 30; i++) {
    const socket = await fixture.connect({ transports: ['polling', 'websocket'] })
    const inbox = new Inbox(socket)
    const [change, first] = [upgraded(socket), watched.got.length]
    await ask(socket, 'join', 'load')
    const order: unknown[] = []
    let running = true
    let said = 0
    const talk = (async () => {
      while (running) {
        const i = said++
        socket.emit('bcast', 'watched', i)
        order.push((await ask(socket, 'echo', i))[0])
      }
    })()
    await change
    const seen = inbox.got.length
    await inbox.filled(seen + 30)
    running = false
    await talk
    await ask(socket, 'leave', 'load')

    expect(socket.io.engine.transport.name).toBe('websocket')
    expect(order).toEqual(numbers(0, said))
    expect(inbox.got).toEqual(numbers(Number(inbox.got[0]), inbox.got.length))
    expect((await watched.filled(first + said)).slice(first)).toEqual(numbers(0, said))
    socket.close()
  }
  expect(await load.stop()).toBeGreaterThan(30 * 30)
})

test('a client that reads too slowly is closed, comes back, and others notice nothing', async () => {
  const [slow, other] = await Promise.all([fixture.connect({ transports: ['websocket'] }), fixture.connect({ transports: ['websocket'] })])
  const id = slow.id ?? ''
  const back = heard(slow, 'disconnect').then(() => heard(slow, 'connect'))
  const connection: unknown = Reflect.get(slow.io.engine.transport, 'ws')
  if (!(connection instanceof Object && 'pause' in connection && connection.pause instanceof Function)) throw new Error('no WebSocket of package ws')
  slow.emit('flood', 4000, 8000)
  await new Promise(setImmediate) // the client writes in the next turn
  connection.pause()

  expect(await fixture.reason(id)).toBe('queue full')
  expect(await ask(other, 'echo', 'fine')).toEqual(['fine'])
  if (!('resume' in connection && connection.resume instanceof Function)) throw new Error('no WebSocket of package ws')
  connection.resume()
  await back
  expect(slow.id).not.toBe(id)
  expect(await ask(slow, 'echo', 'back')).toEqual(['back'])
})

test('a client that polls too slowly is closed and comes back', async () => {
  const socket = await fixture.connect({ transports: ['polling'] })
  const id = socket.id ?? ''
  const back = heard(socket, 'disconnect').then(() => heard(socket, 'connect'))
  socket.emit('flood', 5000, 1000)
  expect(await fixture.reason(id)).toBe('queue full')
  await back
  expect(await ask(socket, 'echo', 'back')).toEqual(['back'])
})

/** Stands between clients and the server, and can swallow everything without closing anything. */
class Wire {
  private readonly connections: Connection[] = []
  private dead = false
  private readonly server = createServer((client) => {
    const server = dial(impatient.port, '127.0.0.1')
    for (const end of [client, server]) end.on('error', () => undefined)
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
    this.connections.push(client, server)
    if (this.dead) return
    client.pipe(server)
    server.pipe(client)
  })

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Lets nothing through any more. */
  cut(): void {
    this.dead = true
    for (const connection of this.connections) connection.unpipe().pause()
  }

  /** Ends what was cut, and lets what comes from now on through. */
  mend(): void {
    this.dead = false
    for (const connection of this.connections.splice(0)) connection.destroy()
  }

  close(): void {
    this.mend()
    this.server.close()
  }
}

test.each([[['polling']], [['websocket']]])('a connection that is half open is given up on both sides, over %j', async (transports) => {
  const wire = new Wire()
  try {
    const socket = await impatient.connect({ transports }, await wire.listen())
    const id = socket.id ?? ''
    const gone = heard(socket, 'disconnect')
    const back = gone.then(() => heard(socket, 'connect'))
    await ask(socket, 'echo')

    wire.cut()

    expect(await impatient.reason(id)).toBe('ping timeout')
    expect((await gone)[0]).toBe('ping timeout')
    wire.mend()
    await back
    expect(await ask(socket, 'echo', 'back')).toEqual(['back'])
  } finally {
    impatient.closeClients()
    wire.close()
  }
})

test('clients that come and go leave no goroutines behind', async () => {
  const goroutines = async (): Promise<number> => {
    const stats: unknown = await (await fetch(`${fixture.url}/stats?gc=1`)).json()
    expect(stats).toEqual({ rss_kb: expect.any(Number) as number, cpu_us: expect.any(Number) as number, goroutines: expect.any(Number) as number })
    return (stats as { goroutines: number }).goroutines
  }
  const before = await goroutines()
  await Promise.all(
    numbers(0, 60).map(async (i) => {
      const socket = await fixture.connect({ transports: i % 2 ? ['websocket'] : ['polling', 'websocket'] })
      await ask(socket, 'echo', i)
    }),
  )
  expect(await goroutines()).toBeGreaterThanOrEqual(before + 60)

  fixture.closeClients()

  // The client library closes the connection of each of its requests, so only one that asks for the statistics may be left.
  await vi.waitFor(async () => expect(await goroutines()).toBeLessThan(before + 5), { timeout: patience, interval: 50 })
})
