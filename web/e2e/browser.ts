import { existsSync } from 'node:fs'

import axe from 'axe-core'
import { chromium, type Browser, type BrowserContextOptions, type ConsoleMessage, type Page } from 'playwright-core'

const places = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Chromium on this machine; undefined where there is none. */
export const executable = places.find((path): path is string => path !== undefined && existsSync(path))

if (executable === undefined) {
  const missing = 'NO CHROMIUM FOUND: the page was not tried in a browser. Install the package chromium, or set CHROMIUM to its path.'
  if (process.env['CI'] === 'true') throw new Error(missing)
  console.warn(missing)
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    ...(executable !== undefined && { executablePath: executable }),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A browser window of one person, with nothing of anybody else in it. */
export class Window {
  /** What went wrong in the page: errors, and what its policy forbade. */
  readonly errors: string[] = []
  /** While the server is away, or stands by, requests fail; that is no error of the page. */
  serverIsAway = false

  private constructor(
    readonly page: Page,
    private readonly url: string,
  ) {
    page.on('pageerror', (error) => this.errors.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error' && !this.expected(message)) this.errors.push(`${message.text()} (${message.location().url})`)
    })
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Window> {
    const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/London', ...options })
    const window = new Window(await context.newPage(), url)
    window.page.setDefaultTimeout(10_000)
    return window
  }

  async go(path = '/'): Promise<void> {
    await this.page.goto(this.url + path)
  }

  async close(): Promise<void> {
    await this.page.context().close()
  }

  async signUp(username: string, name: string): Promise<void> {
    const { page } = this
    await this.go('/signup')
    await page.getByLabel('Name', { exact: true }).fill(name)
    await page.getByLabel('Username').fill(username)
    await page.getByLabel('E-mail').fill(`${username}@example.com`)
    await page.getByLabel('Password').fill('Correct-Horse-7')
    await page.getByLabel('Birthday').fill('1990-01-31')
    await page.getByRole('button', { name: 'Sign up' }).click()
    await page.getByRole('heading', { name: 'Messages' }).waitFor()
  }

  /** Opens the conversation with somebody who was found by name. */
  async find(username: string): Promise<void> {
    await this.page.getByLabel('Find people').fill(username)
    await this.page.getByRole('list', { name: 'People found' }).getByRole('button').first().click()
  }

  async write(text: string): Promise<void> {
    const box = this.page.getByRole('textbox', { name: /^Message to/ })
    await box.fill(text)
    await box.press('Enter')
  }

  /** The rows of the open conversation that hold a text. */
  rows(text: string) {
    return this.page.getByRole('list', { name: /^Messages with/ }).getByRole('listitem').filter({ hasText: text })
  }

  /** What an examination of accessibility finds, by rule. */
  async barriers(): Promise<string[]> {
    await this.page.evaluate(axe.source)
    const found = await this.page.evaluate<{ id: string; impact: string | null; nodes: { html: string }[] }[]>(
      `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => r.violations)`,
    )
    return found.map((v) => `${v.impact} ${v.id}: ${v.nodes.map((n) => n.html).join(' | ')}`)
  }

  private expected(message: ConsoleMessage): boolean {
    const { url } = message.location()
    const text = message.text()
    // Whoever is not logged in learns it from this answer.
    if (url === `${this.url}/api/refresh` && text.includes('401')) return true
    return this.serverIsAway && (text.includes('net::ERR_') || text.includes('status of 503') || text.startsWith('WebSocket connection to'))
  }
}
