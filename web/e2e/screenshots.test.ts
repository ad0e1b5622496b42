import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

import { Server } from '../src/live/server'
import { executable, launch, Window } from './browser'

const folder = fileURLToPath(new URL('../../docs/screenshots', import.meta.url))

const talk = [
  ['ann', 'Hello Bob, is 9:30 still on?'],
  ['bob', 'It is. The small room on the second floor, I have put our names on the door.'],
  ['bob', 'Bring the drawings, if you can.'],
  ['ann', 'I have them here.\nShall I print the plan of the garden too? It is four pages, and the last one is empty.'],
  ['bob', 'Three pages will do.'],
] as const

/** `make screenshots` draws what docs/screenshots holds. */
test.runIf(process.env['SCREENSHOTS'] !== undefined && executable !== undefined)('the page is drawn', { timeout: 120_000 }, async () => {
  mkdirSync(folder, { recursive: true })
  const [browser, server] = await Promise.all([launch(), Server.start()])
  try {
    const desk = { viewport: { width: 1200, height: 760 } }
    const people = {
      ann: await Window.open(browser, server.url, desk),
      bob: await Window.open(browser, server.url),
      carla: await Window.open(browser, server.url),
    }
    await people.ann.signUp('ann', 'Ann Archer')
    await people.bob.signUp('bob', 'Bob Baker')
    await people.carla.signUp('carla', 'Carla Cook')
    await people.carla.find('ann')
    await people.carla.write('See you on Saturday!')
    await people.carla.write('And bring the dog.')
    await people.ann.find('bob')
    await people.bob.find('ann')
    for (const [who, text] of talk) {
      await people[who].write(text)
      for (const window of [people.ann, people.bob]) await window.rows(text.split('\n')[0] ?? text).waitFor()
    }
    await people.ann.rows('I have them here').filter({ hasText: 'Read' }).waitFor()

    const { page } = people.ann
    for (const [name, colorScheme, viewport, path] of [
      ['messages-light', 'light', desk.viewport, undefined],
      ['messages-dark', 'dark', desk.viewport, undefined],
      ['messages-phone', 'light', { width: 390, height: 780 }, undefined],
      ['list-phone', 'dark', { width: 390, height: 780 }, '/messages'],
    ] as const) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize(viewport)
      if (path) await people.ann.go(path)
      await page.getByRole('status').filter({ hasText: 'Connecting' }).waitFor({ state: 'hidden' })
      if (path) await page.getByRole('link', { name: /Bob Baker/ }).waitFor()
      await page.screenshot({ path: `${folder}/${name}.png` })
    }
    const outside = await Window.open(browser, server.url, { viewport: { width: 390, height: 780 } })
    for (const path of ['login', 'signup']) {
      await outside.go(`/${path}`)
      await outside.page.getByRole('heading').waitFor()
      await outside.page.screenshot({ path: `${folder}/${path}-phone.png`, fullPage: true })
    }
    expect([people.ann, people.bob, people.carla, outside].flatMap((w) => w.errors)).toEqual([])
  } finally {
    await browser.close()
    await server.remove()
  }
})
