/** A real Chromium without a window, as the browser tests drive it: logging in, pictures that are kept, and what pages saw of their sockets. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type LaunchOptions, type Page } from 'playwright-core'

/** `path`: the program. It asks nobody for news, and nothing leaves this machine. */
export function launchChromium(path: string, args: readonly string[] = []): Promise<Browser> {
  return chromium.launch(optionsOf(path, args))
}

/** One person's browser, with a profile in this folder, that sends cookies with requests of another site's pages as browsers used to. */
export async function launchLaxChromium(
  path: string,
  args: readonly string[],
  folder: string,
): Promise<BrowserContext> {
  await mkdir(join(folder, 'Default'), { recursive: true })
  const preferences = { profile: { block_third_party_cookies: false, cookie_controls_mode: 0 } }
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify(preferences))
  return chromium.launchPersistentContext(folder, optionsOf(path, args))
}

function optionsOf(path: string, args: readonly string[]): LaunchOptions {
  return {
    executablePath: path,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      ...args,
    ],
  }
}

/** Fills in the form of the identity provider, on which the page must be, or come to. */
export async function logIn(page: Page, username: string, password: string): Promise<void> {
  await page.getByLabel('User name').fill(username)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** Kept in the folder of artefacts, for people to look at. */
export async function takePicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(import.meta.dirname, `../../artefacts/pictures/${name}.png`) })
}

/** A WebSocket as its page saw it. */
export interface SeenSocket {
  readonly url: string
  readonly isOpen: boolean
  /** `undefined` while it is not closed. `at`: milliseconds since 1970. */
  readonly closed: { readonly code: number; readonly reason: string; readonly at: number } | undefined
}

/** Notes every WebSocket that pages of this context open from now on. */
export async function watchSockets(context: BrowserContext): Promise<void> {
  await context.addInitScript(`
    window.seenSockets = []
    window.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given)
        const seen = { url: this.url, isOpen: false, closed: undefined }
        seenSockets.push(seen)
        this.addEventListener('open', () => { seen.isOpen = true })
        this.addEventListener('close', ({ code, reason }) => {
          seen.isOpen = false
          seen.closed = { code, reason, at: Date.now() }
        })
      }
    }
  `)
}

/** Those of the page's own window since it was loaded. */
export function socketsOf(page: Page): Promise<readonly SeenSocket[]> {
  return page.evaluate<readonly SeenSocket[]>('window.seenSockets')
}
