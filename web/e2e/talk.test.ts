import type { Browser, BrowserContextOptions } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Server } from '../src/live/server'
import { executable, launch, Window } from './browser'

let browser: Browser
let server: Server
const windows: Window[] = []

describe.skipIf(executable === undefined)('in a browser', () => {
  beforeAll(async () => {
    ;[browser, server] = await Promise.all([launch(), Server.start()])
  })
  afterEach(async () => {
    const open = windows.splice(0)
    await Promise.all(open.map((w) => w.close()))
    expect(open.flatMap((w) => w.errors)).toEqual([])
  })
  afterAll(async () => {
    await browser?.close()
    await server?.remove()
  })

  test('two people talk, and a reload keeps the login and the messages', async () => {
    const [ann, bob] = [await person('Ann Archer'), await person('Bob Baker')]

    await ann.window.find(bob.username)
    await ann.window.write('Hello Bob, is <b>9:30</b> still on? 5 < 6 & 🎈')
    await bob.window.page.getByRole('link', { name: /Ann Archer.*1 unread/ }).click()
    await bob.window.rows('Hello Bob, is 9:30 still on? 5 < 6 & 🎈').waitFor()
    await ann.window.rows('Hello Bob').filter({ hasText: 'Read' }).waitFor()
    await bob.window.write('It is.')
    await ann.window.rows('It is.').waitFor()

    await ann.window.page.reload()

    await ann.window.rows('It is.').waitFor()
    expect(await ann.window.rows('Hello Bob').count()).toBe(1)
    expect(await ann.window.page.getByRole('link', { name: /unread/ }).count()).toBe(0)
    expect(await bob.window.page.title()).toBe('Messages · Pryde')
  })

  test('what is written while the server is away arrives once', async () => {
    const [ann, bob] = [await person('Ann Archer'), await person('Bob Baker')]
    await ann.window.find(bob.username)
    await ann.window.write('before')
    await bob.window.page.getByRole('link', { name: /Ann Archer/ }).click()
    await bob.window.rows('before').waitFor()

    ann.window.serverIsAway = bob.window.serverIsAway = true
    await server.end('SIGKILL')
    await ann.window.page.getByRole('status').filter({ hasText: 'Connecting' }).waitFor()
    await ann.window.write('meanwhile')
    await ann.window.rows('meanwhile').filter({ hasText: 'Sending' }).waitFor()
    await server.run()

    await bob.window.rows('meanwhile').waitFor()
    await ann.window.rows('meanwhile').filter({ hasText: 'Read' }).waitFor()
    ann.window.serverIsAway = bob.window.serverIsAway = false
    await bob.window.page.reload()
    await bob.window.rows('before').waitFor()
    expect(await bob.window.rows('meanwhile').count()).toBe(1)
    expect(await ann.window.rows('meanwhile').count()).toBe(1)
  })

  test('logging out ends it in every tab, and logging in leads back', async () => {
    const { window, username } = await person('Ann Archer')
    const tab = await window.page.context().newPage()
    await tab.goto(`${server.url}/messages`)
    await tab.getByRole('heading', { name: 'Messages' }).waitFor()

    await window.page.getByRole('button', { name: 'Log out' }).click()

    await window.page.getByRole('heading', { name: 'Log in' }).waitFor()
    await tab.getByRole('heading', { name: 'Log in' }).waitFor()
    await window.page.reload()
    await window.page.getByLabel('E-mail or username').fill(username)
    await window.page.getByLabel('Password').fill('Correct-Horse-7')
    await window.page.getByRole('button', { name: 'Log in' }).click()
    await window.page.getByRole('heading', { name: 'Messages' }).waitFor()
  })

  test('notes to oneself are written like any message', async () => {
    const { window } = await person('Ann Archer')
    await window.page.getByRole('link', { name: 'Notes to yourself' }).click()

    await window.write('buy bread')
    await window.rows('buy bread').filter({ hasText: 'Sent' }).waitFor()
    await window.page.getByRole('link', { name: /Notes to yourself.*You: buy bread/ }).waitFor()
    await window.page.reload()

    await window.rows('buy bread').waitFor()
    expect(await window.rows('buy bread').count()).toBe(1)
    expect(await window.page.getByRole('link', { name: /Notes to yourself/ }).count()).toBe(1)
    expect(await window.page.title()).toBe('Messages · Pryde')
  })

  test('a phone shows the list or the conversation', async () => {
    const { username } = await person('Bob Baker')
    const ann = await person('Ann Archer', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true })
    const list = ann.window.page.getByRole('navigation', { name: 'Conversations' })

    await ann.window.find(username)
    await ann.window.write('from the road')
    await ann.window.rows('from the road').filter({ hasText: 'Sent' }).waitFor()
    expect(await list.isVisible()).toBe(false)
    await ann.window.page.getByRole('link', { name: 'All conversations' }).click()

    await list.getByRole('link', { name: /Bob Baker/ }).waitFor()
    const [inner, outer] = await ann.window.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
    expect(inner).toBe(outer)
  })

  test.each(['light', 'dark'] as const)('nothing stands in the way of assistive technology (%s)', async (colorScheme) => {
    const [ann, bob] = [await person('Ann Archer', { colorScheme }), await person('Bob Baker', { colorScheme })]
    const outside = await open({ colorScheme })

    for (const path of ['/login', '/signup']) {
      await outside.go(path)
      await outside.page.getByRole('heading').waitFor()
      expect(await outside.barriers()).toEqual([])
    }
    await ann.window.find(bob.username)
    await ann.window.write('Can you read this?')
    await bob.window.page.getByRole('link', { name: /1 unread/ }).waitFor()
    expect(await bob.window.barriers()).toEqual([])
    await ann.window.rows('Can you read this?').filter({ hasText: 'Sent' }).waitFor()
    expect(await ann.window.barriers()).toEqual([])
  })
})

async function open(options: BrowserContextOptions = {}): Promise<Window> {
  const window = await Window.open(browser, server.url, options)
  windows.push(window)
  return window
}

let people = 0

async function person(name: string, options: BrowserContextOptions = {}): Promise<{ window: Window; username: string }> {
  const username = `${name.split(' ')[0]?.toLowerCase()}_${++people}`
  const window = await open(options)
  await window.signUp(username, name)
  return { window, username }
}
