/** What comes in where agents do: by whom it is let in, and what a pod that is hostile can say once it is. */
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { longestFrame } from '#link/frames.ts'
import { paths } from '#surface/urls.ts'
import { type AgentScene, agentScene, type RawLink } from '#test/support/agent-scene.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { tokenGiver } from '#test/support/pod-token.ts'
import { logIn } from '#test/support/tunnel-scene.ts'

let scene: AgentScene
let alice: ScriptedBrowser
beforeAll(async () => {
  scene = await agentScene()
  alice = await scene.world.as('alice')
})
afterAll(() => scene?.[Symbol.asyncDispose]())

const patience = { timeout: 15_000 }

async function linked(token?: string): Promise<RawLink> {
  const link = await scene.link(token ?? (await scene.token()))
  if (typeof link !== 'number') return link
  throw new Error(`refused with ${link}`)
}

test('#150 only a pod that runs for a workspace now is let in, by a token of its own for this address alone', async () => {
  const { giver, pod, world } = scene
  const aud = world.origin + paths.agent
  const past = Math.floor(Date.now() / 1000) - 10
  const wrong = {
    'no token': undefined,
    'no form': 'x.y.z',
    audience: await scene.token({ aud: world.origin + paths.sshHostCertificate }),
    'the audience of the API server': await scene.token({ aud: 'https://kubernetes.default.svc' }),
    'two audiences': await scene.token({ aud: [aud, 'https://kubernetes.default.svc'] }),
    issuer: await scene.token({ iss: 'https://kubernetes.default.svc.cluster.locaL' }),
    expired: await scene.token({ exp: past }),
    early: await scene.token({ nbf: past + 3_600 }),
    'another pod': await giver.tokenOf({ ...pod, uid: 'another' }, { aud }),
    'another namespace': await giver.tokenOf({ ...pod, namespace: 'other' }, { aud }),
    'no pod': await scene.token({ 'kubernetes.io': { namespace: 'team' } }),
    'an account of elsewhere': await scene.token({ sub: 'system:serviceaccount:other:default' }),
    'another key': await (await tokenGiver()).tokenOf(pod, { aud }),
    "a person's": await logIn(world, 'alice'),
  }
  for (const [what, token] of Object.entries(wrong)) expect(await scene.link(token), what).toBe(401)
  const cookie = alice.cookieHeader(`${world.origin}/`) ?? ''
  expect(cookie).not.toBe('')
  expect(await scene.link(undefined, { Cookie: cookie })).toBe(401)
  expect(await scene.link(await scene.token(), { Origin: world.origin })).toBe(403)
  const reasons = world.audit.flatMap((event) => (event.event === 'deny' ? event.reason : []))
  expect(reasons).toEqual(expect.arrayContaining(['agent:token_audience', 'agent:no-such-pod', 'agent:no-token']))
  expect(scene.agents.links.size).toBe(0)
  using _link = await linked()
  expect(scene.agents.links.size).toBe(1)
})

test('#150 a workspace of a namespace that is to have no agents has none', async () => {
  const { world, giver } = scene
  await world.workspace({ name: 'nb', namespace: 'other', owner: 'bob' })
  const uid = world.open.workspaces.directory.get({ namespace: 'other', name: 'nb' })?.instance?.instanceUid ?? ''
  const token = await giver.tokenOf({ namespace: 'other', uid }, { aud: world.origin + paths.agent })
  expect(await scene.link(token)).toBe(401)
})

test('#152 whatever is no frame of its own streams ends the link of that pod, and nothing else', async () => {
  const { world } = scene
  const other = await world.workspace({ name: 'other', namespace: 'team', owner: 'alice' })
  await alice.open(other.url)
  const hostile: readonly (readonly [string, (link: RawLink) => void, number])[] = [
    ['text', ({ ws }) => ws.send('hello'), 1002],
    ['nothing', ({ ws }) => ws.send(Buffer.alloc(0)), 1002],
    ['a frame that is too long', ({ ws }) => ws.send(Buffer.alloc(longestFrame + 1, 3)), 1009],
    [
      'a message in crumbs',
      ({ ws }) => {
        for (let crumb = 0; crumb < 40; crumb += 1) ws.send(Buffer.alloc(1, 3), { fin: false })
      },
      1008,
    ],
    ['a stream of its own', ({ say }) => say({ kind: 'open', id: 1, port: 8888 }), 1002],
    [
      'a stream of nobody',
      ({ say }) => say({ kind: 'data', id: 4_000_000, bytes: Buffer.from('GET / HTTP/1.1') }),
      1002,
    ],
    ['an answer to nobody', ({ say }) => say({ kind: 'opened', id: 4_000_000 }), 1002],
  ]
  for (const [what, speak, code] of hostile) {
    using link = await linked()
    speak(link)
    expect((await link.closed).code, what).toBe(code)
    expect((await alice.fetch(other.url)).status, what).toBe(200)
  }
  await expect.poll(() => scene.agents.links.size, patience).toBe(0)
})

/** Answers every stream by hand, from the probe on. */
function serve(link: RawLink, answer: (id: number, request: string) => void): void {
  link.ws.on('message', () => {
    const frame = link.heard.at(-1)
    if (frame?.kind === 'open') link.say({ kind: 'opened', id: frame.id })
    if (frame?.kind === 'data') answer(frame.id, frame.bytes.toString('latin1'))
  })
}

async function openIt(): Promise<void> {
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await expect.poll(async () => (await alice.open(scene.world.url(scene.ref))).status, patience).toBe(200)
}

const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test("#153 what a pod sends behind an answer, or unasked, is nobody's answer", async () => {
  using link = await linked()
  let answered = 0
  serve(link, (id, request) => {
    answered += 1
    const smuggled = ok('smuggled')
    link.say({ kind: 'data', id, bytes: Buffer.from(ok(`to ${request.split(' ')[1]}`) + smuggled) })
    link.say({ kind: 'data', id, bytes: Buffer.from(smuggled) })
  })
  await openIt()
  const url = scene.world.url(scene.ref)
  for (let number = 0; number < 10; number += 1)
    expect((await alice.fetch(`${url}${number}`)).body).toBe(`to /${number}`)
  expect(answered).toBeGreaterThanOrEqual(10)
})

test('#154 a pod that answers without end, to somebody who does not read, is held back after a window, and so is one that goes beyond', async () => {
  using link = await linked()
  let isFlooding = false
  let credit = 262_144
  link.ws.on('message', () => {
    const frame = link.heard.at(-1)
    if (isFlooding && frame?.kind === 'credit') credit += frame.bytes
  })
  const flooded = Promise.withResolvers<number>()
  serve(link, (id, request) => {
    if (!request.includes('/flood')) {
      link.say({ kind: 'data', id, bytes: Buffer.from(ok('here')) })
      return
    }
    isFlooding = true
    link.say({ kind: 'data', id, bytes: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n') })
    flooded.resolve(id)
  })
  await openIt()
  const url = new URL(`${scene.world.url(scene.ref)}flood`)
  const { request } = await import('node:http')
  const asked = request({
    ...{ host: '127.0.0.1', port: scene.world.port, path: url.pathname },
    headers: { Host: url.host, Cookie: alice.cookieHeader(url) ?? '' },
  })
  // Reads nothing of it.
  asked.on('response', (response) => response.pause()).on('error', () => undefined)
  asked.end()
  const id = await flooded.promise
  // A pod that keeps to its credit gets rid of what the client's connection holds, and a window.
  let sent = 65
  while (credit - sent >= 65_536 && sent < 64_000_000) {
    link.say({ kind: 'data', id, bytes: Buffer.alloc(65_536) })
    sent += 65_536
    if (credit - sent < 65_536) await pause(100)
  }
  expect(sent).toBeLessThan(64_000_000)
  expect((await alice.fetch(scene.world.url(scene.ref))).body).toBe('here')
  // What the system still takes for the client is less than this.
  for (let more = 0; more < 400; more += 1) link.say({ kind: 'data', id, bytes: Buffer.alloc(65_536) })
  expect((await link.closed).code).toBe(1002)
  asked.destroy()
})

test('#151 a pod has two links and no more: the next one takes the place of the oldest, and coming again and again is refused', async () => {
  const token = await scene.token()
  const links = [await linked(token), await linked(token), await linked(token)]
  expect(await links[0]?.closed).toMatchObject({ code: 1001 })
  expect(scene.agents.links.size).toBe(2)
  const answers = await Promise.all(Array.from({ length: 40 }, () => scene.link(token)))
  expect(answers).toContain(429)
  expect(scene.agents.links.size).toBe(2)
  for (const link of [...links, ...answers]) if (typeof link !== 'number') link[Symbol.dispose]()
})
