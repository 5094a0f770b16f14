/**
 * A whole gateway as a process of its own, with people who are logged in and workspaces whose apps are elsewhere. Arguments: the ports of the apps, and `--keep-alive`.
 * Whoever started it asks for things by messages, see `orders.ts`. Run with `--expose-gc`.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Settings } from '#settings/settings.ts'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { createWorld } from '#test/support/world.ts'
import { placeOf, urlOf } from '#workspace/address.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import type { Answers, Figures, Order, Visiting } from './orders.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { 'keep-alive': { type: 'string' } } })
const ports = positionals.map(Number)
const settings = (of: Settings): Settings => {
  const keepAlive = Number(values['keep-alive'] ?? of.limits.keepAlive)
  return { ...of, limits: { ...of.limits, keepAlive } }
}
const world = await createWorld({ isForgetful: true, settings })
const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
const refs = ports.map((_, index) => ({ namespace: 'team', name: `app${index}` }))
const [shared = { namespace: 'team', name: 'none' }] = refs
for (const [index, ref] of refs.entries()) {
  world.runtime.provide(ref, { 8888: { kind: 'tcp', host: '127.0.0.1', port: ports[index] ?? 0 } })
  const metadata = { ...ref, annotations: { [createdByAnnotation]: 'alice' } }
  await world.resources.create(workspaceKind, { metadata, spec: workspaceKind.parseSpec({ desiredStatus: 'Running' }) })
  const isRunning = () => world.open.workspaces.directory.get(ref)?.state.phase === 'Running'
  await world.until(isRunning, `${ref.name} runs`)
}

const visiting = async (browser: ScriptedBrowser): Promise<readonly Visiting[]> => {
  const visits: Visiting[] = []
  for (const ref of refs) {
    const url = urlOf(world.open.site, ref, undefined)
    await browser.open(url)
    const { host } = placeOf(world.open.site, ref, undefined)
    visits.push({ host: `${host}:${world.port}`, cookie: browser.cookieHeader(url) ?? '' })
    if (visits.length > 0 && browser === bob) break
  }
  return visits
}

const share = async (): Promise<string> => {
  await alice.open(`${world.origin}/`)
  const body = JSON.stringify({ grantees: [{ kind: 'User', name: 'bob' }] })
  const headers = { 'content-type': 'application/json' }
  const made = await alice.fetch(world.origin + api.shares(shared), { method: 'POST', headers, body })
  if (made.status !== 201) throw new Error(`no share: ${made.status} ${made.body}`)
  return JSON.parse(made.body).name
}

const revoke = async (name: string): Promise<undefined> => {
  await alice.open(`${world.origin}/`)
  await alice.fetch(world.origin + api.share(shared, name), { method: 'DELETE' })
  return undefined
}

function figures(): Figures {
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return []
    }
  })
  const sockets = links.filter((link) => link.startsWith('socket:')).length
  const streams = world.open.streams.all().reduce((sum, group) => sum + group.size, 0)
  const own = rss - 1024 * Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1])
  return { rss, own, heap: heapUsed, heapTotal, external, fds: links.length, sockets, streams }
}

const carryOut: { [Kind in Order['kind']]: (order: Extract<Order, { kind: Kind }>) => Promise<Answers[Kind]> } = {
  figures: async () => figures(),
  share,
  revoke: async ({ name }) => revoke(name),
  visit: async ({ as }) => visiting(as === 'alice' ? alice : bob),
}
process.on('message', (message: { id: number; order: Order }) => {
  const { id, order } = message
  // By its kind, each order is what its function takes.
  const run = carryOut[order.kind] as (order: Order) => Promise<unknown>
  run(order).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
process.send?.({ port: world.port, origin: world.origin, password: world.identityProvider.password })
