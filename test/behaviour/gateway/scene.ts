/** What the tests of the gateway do again and again in a world: declare workspaces that need not run, press the page's button, share. */
import type { ShareInput, ShareView, WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import type { EchoApp } from '#test/support/echo-app.ts'
import { freePort } from '#test/support/free-port.ts'
import type { World } from '#test/support/world.ts'
import { urlOf } from '#workspace/address.ts'
import { createdByAnnotation, type Workspace, workspaceKind } from '#workspace/workspace.ts'

export const modes = ['host', 'path'] as const

/** Revocation is to be felt within this time (design.md, "Access"). */
export const revocationBound = 2_000

export interface Declared {
  readonly name?: string
  readonly namespace?: string
  readonly owner?: string
  readonly spec?: Record<string, unknown>
  /** By declared port: where the instance says that it listens. 8888 on a port where nobody listens when absent. */
  readonly endpoints?: Readonly<Record<number, EchoApp['endpoint']>>
}

/** Known to the gateway, and perhaps never ready. */
export async function declare(world: World, fields: Declared): Promise<{ ref: WorkspaceRef; url: string }> {
  const { name = 'nb', namespace = 'team', owner, spec = {} } = fields
  const ref = { namespace, name }
  world.runtime.provide(ref, fields.endpoints ?? { 8888: { kind: 'tcp', host: '127.0.0.1', port: await freePort() } })
  const annotations: Record<string, string> = owner === undefined ? {} : { [createdByAnnotation]: owner }
  await world.resources.create(workspaceKind, {
    metadata: { name, namespace, annotations },
    spec: workspaceKind.parseSpec(spec),
  })
  await world.until(() => world.open.workspaces.directory.get(ref) !== undefined, `${namespace}/${name} is known`)
  return { ref, url: urlOf(world.open.site, ref, undefined) }
}

export async function workspaceOf(world: World, ref: WorkspaceRef): Promise<Workspace> {
  const workspace = await world.resources.get(workspaceKind, ref)
  if (!workspace) throw new Error('there is no such workspace')
  return workspace
}

/** What the API says of it. */
export async function statusOf(world: World, browser: ScriptedBrowser, ref: WorkspaceRef): Promise<WorkspaceView> {
  const page = await browser.fetch(world.origin + api.workspace(ref))
  if (page.status !== 200) throw new Error(`status ${page.status}`)
  return JSON.parse(page.body)
}

/** As a script of the console asks the API. */
export async function callApi(
  world: Pick<World, 'origin'>,
  browser: ScriptedBrowser,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Page> {
  const tab = browser.tab()
  await tab.navigate(`${world.origin}/`)
  return tab.fetch(world.origin + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })
}

export async function share(
  world: Pick<World, 'origin'>,
  owner: ScriptedBrowser,
  ref: WorkspaceRef,
  input: Omit<ShareInput, 'access'> & { access?: ShareInput['access'] },
): Promise<ShareView> {
  const page = await callApi(world, owner, 'POST', api.shares(ref), input)
  if (page.status !== 201) throw new Error(`not shared: ${page.status} ${page.body}`)
  return JSON.parse(page.body)
}

export const withBob = { grantees: [{ kind: 'User', name: 'bob' }] } as const

/** What a page of that very origin would send: for programs that have a browser's cookies. */
export function cookieFor(browser: ScriptedBrowser, url: string): Record<string, string> {
  const cookie = browser.cookies.header({ url: new URL(url), isSameSite: true, isSafeNavigation: false })
  return cookie === undefined ? {} : { Cookie: cookie }
}

/** Presses the button of the form that posts to this path. */
export async function press(browser: ScriptedBrowser, path: string): Promise<Page> {
  const form = browser.page.forms.find(({ action }) => action === path)
  if (!form) throw new Error(`no form for ${path} on ${browser.page.url}`)
  const target = new URL(path, browser.page.url)
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams([...form.fields]).toString()
  await browser.navigate(target, { method: 'POST', body, headers, from: browser.page })
  return browser.follow()
}

/** Where the page itself goes on to, in a browser that runs no scripts; its own address where it only loads again. */
export function refreshOf(page: Page): URL | undefined {
  const content = /<meta http-equiv="refresh" content="(\d+)(?:;url=([^"]*))?">/.exec(page.body)
  return content ? new URL(content[2]?.replaceAll('&amp;', '&') ?? page.url, page.url) : undefined
}

/** Waits on a page that reloads itself until it isn't one any more. */
export async function waitOnPage(browser: ScriptedBrowser): Promise<Page> {
  for (let tries = 0; tries < 200; tries++) {
    const next = refreshOf(browser.page)
    if (!next) return browser.page
    await new Promise((resolve) => setTimeout(resolve, 25))
    await browser.open(next)
  }
  throw new Error('the page waited for ever')
}
