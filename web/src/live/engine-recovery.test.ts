import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ask, Fixture, heard, Inbox, numbers } from './fixture'

let fixture: Fixture
beforeAll(async () => {
  fixture = await Fixture.start('-recovery')
})
afterEach(() => fixture.closeClients())
afterAll(() => fixture.end())

/** Cuts the connection of a client, which does not come back before everything is done that is to happen meanwhile. */
async function away(socket: Socket, meanwhile: () => Promise<void>): Promise<void> {
  socket.io.reconnection(false)
  const gone = heard(socket, 'disconnect')
  socket.emit('killtransport')
  await gone
  await meanwhile()
  const back = heard(socket, 'connect')
  socket.io.reconnection(true)
  socket.connect()
  await back
}

describe.each([[['polling']], [['websocket']], [['polling', 'websocket']]])('over %j', (transports) => {
  const connect = (user: string): Promise<Socket> => fixture.connect({ transports, auth: { token: 'good', user } })

  test('what was broadcast while a client was away comes once and in order, before anything new', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const inbox = new Inbox(ann)
    const [room, id] = [`room ${ann.id}`, ann.id]
    await ask(ann, 'join', room)
    for (const i of numbers(0, 5)) await ask(bob, 'bcast', room, i)
    await inbox.filled(5)
    const [gone, back] = [heard(ann, 'disconnect'), heard(ann, 'connect')]
    let sent = 5
    let sending = true
    const sender = (async () => {
      while (sending) await ask(bob, 'bcast', room, sent++)
    })()

    ann.emit('killtransport')
    await gone
    await back
    sending = false
    await sender
    await ask(bob, 'bcast', room, sent++)

    expect(ann.recovered).toBe(true)
    expect(ann.id).not.toBe(id)
    expect(await inbox.filled(sent)).toEqual(numbers(0, sent))
    expect(await ask(ann, 'data')).toEqual([{ user: 'ann', first: id }, true])
    expect((await ask(ann, 'rooms'))[0]).toContain(room)
  })

  test('a client that is lost again and again misses nothing and hears nothing twice', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const inbox = new Inbox(ann)
    const room = `room ${ann.id}`
    await ask(ann, 'join', room)
    let sent = 0
    for (let lost = 0; lost < 10; lost++) {
      const back = heard(ann, 'connect')
      ann.emit('killtransport')
      for (let i = 0; i < 20; i++) await ask(bob, 'bcast', room, sent++)
      await back
      expect(ann.recovered).toBe(true)
    }
    expect(await inbox.filled(sent)).toEqual(numbers(0, sent))
  })

  test('a client that had heard nothing yet recovers too', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const inbox = new Inbox(ann)
    const room = `room ${ann.id}`
    await ask(ann, 'join', room)
    await away(ann, async () => {
      await ask(bob, 'bcast', room, 'first')
    })
    expect(ann.recovered).toBe(true)
    await ask(bob, 'bcast', room, 'last')
    expect(await inbox.filled(2)).toEqual(['first', 'last'])
  })

  test('a page that is put away and brought back recovers', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const inbox = new Inbox(ann)
    const [room, id] = [`room ${ann.id}`, ann.id ?? '']
    await ask(ann, 'join', room)
    await ask(bob, 'bcast', room, 0)
    await inbox.filled(1)
    ann.disconnect()
    expect(await fixture.reason(id)).toBe('client namespace disconnect')
    await ask(bob, 'bcast', room, 1)
    ann.connect()
    await heard(ann, 'connect')
    expect(ann.recovered).toBe(true)
    await ask(bob, 'bcast', room, 2)
    expect(await inbox.filled(3)).toEqual([0, 1, 2])
  })

  test('what a client broadcast to others and what is not for its rooms does not come back to it', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const inbox = new Inbox(ann)
    const room = `room ${ann.id}`
    await ask(bob, 'bcast', room, 'before ann came')
    await ask(ann, 'join', room)
    await ask(ann, 'bcastexc', room, 'by ann')
    await away(ann, async () => {
      await ask(bob, 'bcast', `${room}!`, 'elsewhere')
      await ask(bob, 'vol', room, 'volatile')
      await ask(bob, 'bcast', room, 'for ann')
    })
    expect(ann.recovered).toBe(true)
    await ask(bob, 'bcast', room, 'last')
    expect(await inbox.filled(2)).toEqual(['for ann', 'last'])
  })

  test('nobody recovers the state of another user, in another namespace, or with an offset that is none', async () => {
    const [ann, bob] = await Promise.all([connect('ann'), connect('bob')])
    const room = `room ${ann.id}`
    await ask(ann, 'join', room)
    const first = heard(ann, 'msg')
    await ask(bob, 'bcast', room, 'one')
    const [, offset] = await first
    const pid: unknown = Reflect.get(ann, '_pid')
    expect(pid).toEqual(expect.any(String))
    expect(offset).toEqual(expect.stringMatching(/^\d+$/))
    await ask(bob, 'bcast', room, 'two')

    for (const [url, user, at] of [
      ['', 'eve', offset],
      ['', 'ann', 'never'],
      ['', 'ann', '999999999'],
      ['', 'ann', ''],
      ['', 'ann', 7],
      ['/chat', 'ann', offset],
    ] as const) {
      const thief = fixture.client({ transports, auth: { token: 'good', user, pid, offset: at } }, fixture.url + url)
      const inbox = new Inbox(thief)
      await heard(thief, 'connect')
      expect(await ask(thief, 'data')).toEqual([{ user, first: thief.id }, false])
      expect(await ask(thief, 'rooms')).toEqual([[thief.id]])
      expect(inbox.got).toEqual([])
    }
    const again = fixture.client({ transports, auth: { token: 'good', user: 'ann', pid, offset } })
    const inbox = new Inbox(again)
    expect(await inbox.filled(1)).toEqual(['two'])
  })
})
