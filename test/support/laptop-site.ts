/** A laptop of a test: a folder of state with manifests of its own, three free ports, and browsers that log in there. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { consoleOrigin, makeSite, type Site, urlOf } from '#workspace/address.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { createScriptedBrowser, type Page, type ScriptedBrowser } from './browser-session.ts'
import { freePort } from './free-port.ts'

export interface LaptopSiteOptions {
  readonly mode?: 'host' | 'path'
  /** Names of the samples to begin with, without `.yaml`; all of them when absent. */
  readonly samples?: readonly Sample[]
  /** Browsers reach it as this, whoever sees to that; plain HTTP at `localhost` and its own port when absent. */
  readonly https?: { readonly domain: string; readonly port: number; readonly ca: string }
}

export const samples = ['alice-dashboard', 'alice-editor', 'alice-notebook', 'team-shared-notebook'] as const
export type Sample = (typeof samples)[number]

export interface LaptopSite extends AsyncDisposable {
  readonly mode: 'host' | 'path'
  /** Absolute paths. */
  readonly home: string
  readonly manifests: string
  /** The first of three. */
  readonly port: number
  readonly password: string
  readonly origin: string
  readonly site: Site
  url(ref: WorkspaceRef, port?: number): string
  /** The folder that a workspace's programs start in. */
  folderOf(ref: WorkspaceRef): string
  browser(): ScriptedBrowser
  /** A browser of somebody who is logged in at the console. */
  as(username: string): Promise<ScriptedBrowser>
  /** Writes a manifest into the folder: of a small web server, where nothing else is said. */
  declare(ref: WorkspaceRef, fields?: { readonly owner?: string; readonly spec?: object }): Promise<void>
}

/** Serves its folder. One of the programs that it starts leaves its process group, and so does not end with it by itself. */
export const fileServer = {
  displayName: 'Files',
  desiredStatus: 'Stopped',
  ports: [{ name: 'web', port: 8000, path: 'strip' }],
  containerConfig: {
    command: ['sh', '-c'],
    args: [`sleep 3600 & setsid sleep 3600 & exec python3 -m http.server --bind 127.0.0.1 \${TCP_PORT_8000}`],
  },
} as const

/** Where {@link LaptopSite.declare} puts it. */
export function manifestFile(site: Pick<LaptopSite, 'manifests'>, ref: WorkspaceRef): string {
  return join(site.manifests, `${ref.namespace}-${ref.name}.yaml`)
}

export const notebook: WorkspaceRef = { namespace: 'alice', name: 'notebook' }
export const dashboard: WorkspaceRef = { namespace: 'alice', name: 'dashboard' }
export const editor: WorkspaceRef = { namespace: 'alice', name: 'editor' }
export const sharedNotebook: WorkspaceRef = { namespace: 'team', name: 'shared-notebook' }

const shipped = join(import.meta.dirname, '../../config/samples/demo')

export async function createLaptopSite(options: LaptopSiteOptions = {}): Promise<LaptopSite> {
  const { mode = 'host' } = options
  const folder = await mkdtemp(join(tmpdir(), 'gh-laptop-'))
  const manifests = join(folder, 'manifests')
  await mkdir(manifests)
  for (const sample of options.samples ?? samples) {
    await cp(join(shipped, `${sample}.yaml`), join(manifests, `${sample}.yaml`))
  }
  const home = join(folder, 'home')
  const port = await freePort(3)
  const { https } = options
  const site = https
    ? makeSite({ scheme: 'https', domain: https.domain, port: https.port, mode })
    : makeSite({ scheme: 'http', domain: 'localhost', port, mode })
  const origin = consoleOrigin(site)
  const password = 'a password of the test'
  const browser = () => createScriptedBrowser(https ? { ca: https.ca } : { lookup: localhostLookup })
  return {
    mode,
    home,
    manifests,
    port,
    password,
    origin,
    site,
    url: (ref, of) => urlOf(site, ref, of),
    folderOf: (ref) => join(home, 'workspaces', ref.namespace, ref.name),
    browser,
    async as(username) {
      const visitor = browser()
      await visitor.open(`${origin}/`)
      await visitor.login(username, password)
      return visitor
    },
    async declare(ref, { owner = 'alice', spec = {} } = {}) {
      const metadata = { ...ref, annotations: { [createdByAnnotation]: owner } }
      const { group, version, kind } = workspaceKind
      const text = stringify({ apiVersion: `${group}/${version}`, kind, metadata, spec: { ...fileServer, ...spec } })
      await writeFile(manifestFile({ manifests }, ref), text)
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

/** What a script of the console asks of the API. */
export async function askApi(
  { origin }: Pick<LaptopSite, 'origin'>,
  browser: ScriptedBrowser,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Page> {
  const tab = browser.tab()
  await tab.navigate(`${origin}/`)
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
  return tab.fetch(origin + path, { method, ...sent })
}

/** By the API, and waits until it answers; it is a real program, which takes seconds. */
export async function startWorkspace(site: LaptopSite, browser: ScriptedBrowser, ref: WorkspaceRef): Promise<void> {
  const started = await askApi(site, browser, 'POST', api.start(ref))
  if (started.status !== 202 && started.status !== 200)
    throw new Error(`not started: ${started.status} ${started.body}`)
  await eventually(
    async () => (await stateOf(site, browser, ref)) === 'Running',
    `${ref.namespace}/${ref.name} runs`,
    60_000,
  )
}

export async function stateOf(
  site: LaptopSite,
  browser: ScriptedBrowser,
  ref: WorkspaceRef,
): Promise<string | undefined> {
  const { status, body } = await askApi(site, browser, 'GET', api.workspace(ref))
  return status === 200 ? String(JSON.parse(body).state) : undefined
}

/** Milliseconds. */
export async function eventually(
  isTrue: () => boolean | Promise<boolean>,
  what: string,
  limit = 10_000,
): Promise<void> {
  const until = Date.now() + limit
  while (!(await isTrue())) {
    if (Date.now() > until) throw new Error(`waited in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
