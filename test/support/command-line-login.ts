/** The part of a command line in its login: a listener on loopback, a verifier of its own, and the exchange of the code. */
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { paths } from '#surface/urls.ts'
import type { Page, ScriptedBrowser } from './browser-session.ts'
import { type PlainAnswer, plainRequest } from './plain-request.ts'
import type { World } from './world.ts'

export interface CommandLine extends AsyncDisposable {
  /** What it opens in the browser. */
  readonly url: string
  readonly verifier: string
  readonly state: string
  /** What came back to its listener so far. */
  readonly answers: readonly URLSearchParams[]
  /** `code` and `verifier` are its own when absent. */
  exchange(given?: { readonly code?: string; readonly verifier?: string }): Promise<PlainAnswer>
}

export async function commandLine(world: World, device = 'the laptop of a test'): Promise<CommandLine> {
  const answers: URLSearchParams[] = []
  const server = createServer((request, response) => {
    answers.push(new URL(request.url ?? '', 'http://127.0.0.1').searchParams)
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('You may close this window.')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const query = new URLSearchParams({
    redirect_uri: `http://127.0.0.1:${port}/done`,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...{ state, device },
  })
  return {
    url: `${world.origin}${paths.cliAuthorize}?${query}`,
    ...{ verifier, state, answers },
    exchange: ({ code = answers.at(-1)?.get('code') ?? '', verifier: other = verifier } = {}) =>
      plainRequest(world.origin + paths.cliToken, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ code, verifier: other }),
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The person's answer on the page that asks, up to wherever it leads. */
export async function decide(browser: ScriptedBrowser, decision: 'allow' | 'deny'): Promise<Page> {
  const { page } = browser
  const form = page.forms.find(({ fields }) => fields.has('form'))
  if (!form) throw new Error(`nothing is asked on ${page.url} (status ${page.status})`)
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams([...form.fields, ['decision', decision]]).toString()
  await browser.navigate(new URL(form.action ?? page.url, page.url), { method: 'POST', headers, body, from: page })
  return browser.follow()
}

/** The header that a command line speaks for somebody with, after his consent in a browser of his. */
export async function bearerOf(world: World, username: string): Promise<{ readonly Authorization: string }> {
  await using line = await commandLine(world)
  const browser = await world.as(username)
  await browser.open(line.url)
  await decide(browser, 'allow')
  await world.until(() => line.answers.length > 0, 'the code of the command line')
  const { status, body } = await line.exchange()
  if (status !== 200) throw new Error(`no secret for a command line: ${status} ${body}`)
  return { Authorization: `Bearer ${JSON.parse(body).secret}` }
}
