/** A gateway on an HTTPS domain that can be registered, with a certificate of a test authority, and a Chromium that finds it there. */

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext, Page } from 'playwright-core'
import { launchChromium, launchLaxChromium, logIn } from '#test/support/chromium.ts'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { freePort } from '#test/support/free-port.ts'
import { createTestCa, type TestCa } from '#test/support/test-ca.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { bodyOf, forms, type Target, tools, worker } from './attacks.ts'

/** The test domain: its hosts are one site, as those of a company are, and unlike those below `localhost`. */
export const domain = 'example.test'

/** Another site, where somebody else's pages are. */
const elsewhere = 'elsewhere.test'

export interface Scene extends AsyncDisposable {
  readonly world: World
  readonly authority: TestCa
  /** A browser in which this person is logged in at the console, on a page there. */
  person(username: string): Promise<Page>
}

export interface SceneOptions {
  readonly mode?: 'host' | 'path'
  /** Cookies go along with requests of another site's pages; then there is only one person. */
  readonly isLax?: boolean
  /** Plain HTTP below `localhost`, as on a laptop. */
  readonly isPlain?: boolean
}

export async function openScene(program: string, options: SceneOptions = {}): Promise<Scene> {
  const { mode = 'host', isLax = false, isPlain = false } = options
  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'gh-isolation-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  const authority = createTestCa(folder)
  const { certFile, keyFile } = authority.issue([domain, `*.${domain}`])
  const tls = { domain, certFile, keyFile, ca: readFileSync(authority.caFile, 'utf8') }
  const world = opened.use(await createWorld({ mode, ...(isPlain ? {} : { tls }) }))
  const newContext = await contextsOf(program, isLax ? join(folder, 'profile') : undefined, opened, [
    `--host-resolver-rules=MAP ${domain} 127.0.0.1, MAP *.${domain} 127.0.0.1, MAP ${elsewhere} 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${authority.spki}`,
  ])
  const running = opened.move()
  return {
    world,
    authority,
    async person(username) {
      const context = await newContext()
      const page = await context.newPage()
      await page.goto(`${world.origin}/`)
      await logIn(page, username, world.identityProvider.password)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      return page
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function contextsOf(
  program: string,
  profile: string | undefined,
  opened: AsyncDisposableStack,
  args: readonly string[],
): Promise<() => Promise<BrowserContext>> {
  if (profile !== undefined) {
    const context = await launchLaxChromium(program, args, profile)
    opened.defer(() => context.close())
    return async () => context
  }
  const chromium = await launchChromium(program, args)
  opened.defer(() => chromium.close())
  return () => chromium.newContext()
}

/** A page that is not Gatehouse's, on HTTPS as well: of another site, or at a sibling host. */
export async function serveElsewhere(
  { authority }: Scene,
  host = elsewhere,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const { certFile, keyFile } = authority.issue([host])
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (request, response) =>
    serve(request, response, 'nothing'),
  )
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `https://${host}:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What reached an app. */
export interface Arrived {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** What came to an app until now. */
export interface Heard {
  readonly arrived: readonly Arrived[]
  /** How many are open. */
  readonly sockets: number
}

/** An app with something to hide, or with something up its sleeve: it serves a secret in every form, and the pages of an attack. */
export interface Keeper {
  readonly app: EchoApp
  readonly secret: string
  readonly arrived: readonly Arrived[]
  heard(): Promise<Heard>
}

export async function keeper(name: string): Promise<Keeper> {
  const secret = secretOf(name)
  const arrived: Arrived[] = []
  const app = await echoApp(name)
  app.answer = (request, response) => {
    const { method = '', url = '', headers } = request
    arrived.push({ method, url, headers })
    serve(request, response, secret)
    return true
  }
  return { app, secret, arrived, heard: async () => ({ arrived, sockets: app.sockets.size }) }
}

export function secretOf(name: string): string {
  return `the-secret-of-${name}`
}

/** What is answered, by how a path ends: the first of these. */
export function answersOf(
  secret: string,
): readonly (readonly [ending: string, answer: { readonly type: string; readonly body: string }])[] {
  return [
    ...forms.map((form) => [`/secret.${form}`, bodyOf(form, secret)] as const),
    ['/worker.js', { type: 'text/javascript', body: worker }],
    ['', bodyOf('html', 'a page')],
  ]
}

function serve(request: IncomingMessage, response: ServerResponse, secret: string): void {
  const { url = '', headers } = request
  const [path = ''] = url.split('?')
  response.setHeader('access-control-allow-origin', headers.origin ?? '*')
  response.setHeader('access-control-allow-credentials', 'true')
  response.setHeader('access-control-allow-headers', 'content-type')
  response.setHeader('access-control-allow-methods', '*')
  const [, answer] = answersOf(secret).find(([ending]) => path.endsWith(ending)) ?? []
  response.setHeader('content-type', answer?.type ?? '')
  response.end(answer?.body)
}

export type Outcome = { readonly got: unknown } | { readonly failed: string }

/** Runs each of the scripts in the page against each target, all at once; outcomes by name and URL. */
export async function tryAll(
  page: Page,
  scripts: ReadonlyMap<string, string>,
  targets: readonly Target[],
): Promise<ReadonlyMap<string, Outcome>> {
  await page.evaluate(tools)
  const runs = [...scripts].flatMap(([name, script]) =>
    targets.map(async (target): Promise<[string, Outcome]> => {
      const source = `soon((${script})(${JSON.stringify(target)})).then((got) => ({ got }), (error) => ({ failed: String(error) }))`
      return [`${name} of ${target.url}`, await page.evaluate<Outcome>(source)]
    }),
  )
  return new Map(await Promise.all(runs))
}

/** Those by which something came: text, or an open socket. What a browser shows in place of a refused page is not something. */
export function successesIn(outcomes: ReadonlyMap<string, Outcome>): Record<string, unknown> {
  const isNothing = (value: unknown) =>
    value === undefined || value === '' || value === 'refused' || value === 'nothing came'
  return Object.fromEntries(
    [...outcomes].flatMap(([name, outcome]) =>
      'got' in outcome && !isNothing(outcome.got) ? [[name, outcome.got]] : [],
    ),
  )
}

/** As if Gatehouse had said so of all its cookies: what holds must not hold because of `SameSite`. */
export async function dropSameSite(context: BrowserContext): Promise<void> {
  const cookies = await context.cookies()
  await context.addCookies(
    cookies.filter(({ secure }) => secure).map((cookie) => ({ ...cookie, sameSite: 'None' as const })),
  )
}
