/** The console's way into desktop IDEs: which links whom it shows, and what is in them. */
import { describe, expect, test } from 'vitest'
import { ides } from '#surface/ide-link.ts'
import { api, idePath, paths } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { createWorld, type World, type WorldOptions } from '#test/support/world.ts'
import { share } from './scene.ts'

const large = { resources: { limits: { memory: '8Gi' } } }

const withSsh = (options: Partial<WorldOptions> = {}) =>
  createWorld({
    ...options,
    settings: (settings) => ({
      ...settings,
      ssh: { deployment: 'prod', user: 'workspace' },
      insecure: [...settings.insecure, 'insecureDirectSsh'],
    }),
  })

/** Whatever leads out of the browser, in the order of the page, as its reader takes it. */
function linksIn(body: string): readonly string[] {
  const hrefs = [...body.matchAll(/href="([^"]*)"/g)].map(([, href = '']) => href.replaceAll('&amp;', '&'))
  return hrefs.filter((href) => /^[a-z-]+:/.test(href) && !href.startsWith('http'))
}

async function pageOf(world: World, person: ScriptedBrowser, ref: WorkspaceRef, folder?: string) {
  const { status, body } = await person.open(world.origin + idePath(ref, folder))
  return { status, body, links: linksIn(body) }
}

async function isOffered(world: World, person: ScriptedBrowser, ref: WorkspaceRef): Promise<boolean> {
  const { body } = await person.open(`${world.origin}${paths.console}`)
  return body.includes(`href="${idePath(ref)}"`)
}

const placeOf = (name: string, path: string) => `ssh-remote+${name}.team.prod.gatehouse${path}?windowId=_blank`

test('its owner opens a workspace that runs in each IDE, by the alias of this deployment and his folder; no link and no page of them holds a credential', async () => {
  await using world = await withSsh()
  const { ref } = await world.workspace({ name: 'nb.v1', owner: 'alice', spec: large })
  const alice = await world.as('alice')
  expect(await isOffered(world, alice, ref)).toBe(true)
  const { body, links } = await pageOf(world, alice, ref)
  const schemes = ['vscode', 'vscode-insiders', 'vscodium', 'cursor', 'windsurf']
  expect(links).toEqual([
    ...schemes.map((scheme) => `${scheme}://vscode-remote/${placeOf('nb.v1', '/home/workspace')}`),
    'zed://ssh/workspace@nb.v1.team.prod.gatehouse/home/workspace',
    'jetbrains-gateway://connect#type=ssh&host=nb.v1.team.prod.gatehouse&port=22&user=workspace&projectPath=%2Fhome%2Fworkspace&deploy=true',
  ])
  expect(body).toContain(`gatehouse login ${world.origin}\ngatehouse config-ssh</pre>`)
  for (const { value } of alice.cookies.all()) expect(body).not.toContain(value)
  const elsewhere = await pageOf(world, alice, ref, '/data/a "b"&c#?')
  expect(elsewhere.links[0]).toBe(`vscode://vscode-remote/${placeOf('nb.v1', '/data/a%20%22b%22%26c%23%3F')}`)
  const part = await alice.fetch(`${world.origin}${idePath(ref)}?part`)
  expect(linksIn(part.body)).toEqual(links)
  expect(part.body).not.toContain('<html')
})

test.each(['/../ssh-remote+elsewhere.example/home', '/home/../../x', 'javascript:alert(1)', '//elsewhere.example\n'])(
  'a folder that would lead elsewhere is refused, and the links stay as they are: %j',
  async (folder) => {
    await using world = await withSsh()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: large })
    const alice = await world.as('alice')
    const { body, links } = await pageOf(world, alice, ref, folder)
    expect(body).toContain('role="alert"')
    expect(links).toEqual((await pageOf(world, alice, ref)).links)
  },
)

test('of a share that names kinds of connection those IDEs alone are open that it names beside SSH; the others say why not', async () => {
  await using world = await withSsh()
  const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: large })
  const small = await world.workspace({
    name: 'small',
    owner: 'bob',
    spec: { resources: { limits: { memory: '2Gi' } } },
  })
  const [alice, bob, dave] = await Promise.all(['alice', 'bob', 'dave'].map((name) => world.as(name)))
  if (!alice || !bob || !dave) throw new Error('nobody is there')
  const to = (name: string, connectionTypes: readonly string[]) =>
    share(world, alice, ref, { grantees: [{ kind: 'User', name }], connectionTypes: [...connectionTypes] })
  await to('bob', ['web-ui', 'ssh-remote', 'cursor-remote'])
  await to('dave', ['web-ui', 'cursor-remote'])
  await world.until(async () => (await pageOf(world, dave, ref)).status === 200, 'it is shared')
  await world.until(async () => (await pageOf(world, bob, ref)).links.length === 1, 'it is shared')
  const { body, links } = await pageOf(world, bob, ref)
  expect(links).toEqual([`cursor://vscode-remote/${placeOf('nb', '/home/workspace')}`])
  expect(body).toContain('Not in VS Code: Nobody has given you vscode-remote: a share can name it.')
  // Without SSH no alias leads there, whatever else is named.
  expect(await isOffered(world, dave, ref)).toBe(false)
  expect(await pageOf(world, dave, ref)).toMatchObject({
    links: [],
    body: expect.stringContaining('Not in any IDE: Nobody has given you ssh-remote'),
  })
  expect(await pageOf(world, bob, small.ref)).toMatchObject({
    links: [],
    body: expect.stringMatching(
      /Not in any IDE: It has 2 GiB; this needs 8 GiB\.[\s\S]*<code>ssh small\.team\.prod\.gatehouse<\/code>/,
    ),
  })
})

describe('nobody is led to what he would not reach', () => {
  test('one whom nothing is shared with finds no such page; one who may open it because everybody may has no link', async () => {
    await using world = await withSsh()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: large })
    const open = await world.workspace({ name: 'open', owner: 'alice', spec: { ...large, accessType: 'Public' } })
    const dave = await world.as('dave')
    const none = { namespace: 'team', name: 'none' }
    expect([(await pageOf(world, dave, ref)).status, (await pageOf(world, dave, none)).status]).toEqual([404, 404])
    expect(await isOffered(world, dave, open.ref)).toBe(false)
    expect((await pageOf(world, dave, open.ref)).links).toEqual([])
    expect((await world.browser().navigate(world.origin + idePath(ref))).status).toBe(302)
  })

  test('one that does not run is to be started first, by whoever may', async () => {
    await using world = await withSsh()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: { ...large, desiredStatus: 'Stopped' } })
    const alice = await world.as('alice')
    expect(await isOffered(world, alice, ref)).toBe(false)
    expect(await pageOf(world, alice, ref)).toMatchObject({ links: [], body: expect.stringContaining('>Start it</a>') })
    expect(world.runtime.started).toEqual([])
  })

  test('without an agent and without the setting that does without one there is no link for anybody, and the page says what is missing', async () => {
    await using world = await createWorld()
    const { ref } = await world.workspace({ name: 'nb', owner: 'alice', spec: large })
    const alice = await world.as('alice')
    expect(await isOffered(world, alice, ref)).toBe(false)
    expect(await pageOf(world, alice, ref)).toMatchObject({
      links: [],
      body: expect.stringContaining('It needs an agent beside the workspace'),
    })
    const view = JSON.parse((await alice.fetch(world.origin + api.workspace(ref))).body)
    expect(view.can.ssh).toBe(false)
    expect(ides.size).toBe(7)
  })
})
