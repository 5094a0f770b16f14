/** What replicas ask of the API server while nobody does anything: each has a proxy of its own in front of it, which counts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { type FaultProxy, faultProxy, type SeenRequest } from '#test/support/fault-proxy.ts'
import { startGateway } from './gateway-process.ts'
import type { Scene } from './scene.ts'
import type { BenchSite } from './site.ts'

export interface Rest {
  /** Calls a second besides watches; of the replica that keeps house, and of one that does not. */
  readonly housekeeping: number
  readonly other: number
  /** What was asked, and how often. */
  readonly calls: Readonly<Record<string, number>>
}

/** From the moment that both are ready: first looks, and what is asked once, are over by then. */
const settle = 20_000

export async function measureRest({ site, say, inTurn }: Scene, seconds: number): Promise<Rest> {
  await using stack = new AsyncDisposableStack()
  const proxies = [stack.use(await faultProxy()), stack.use(await faultProxy())]
  for (const proxy of proxies) {
    const kubeconfig = kubeconfigBy(proxy, site.kubeconfig)
    stack.defer(() => rmSync(kubeconfig.folder, { recursive: true, force: true }))
    stack.use(await startGateway(site, { kubeconfig: kubeconfig.file }))
  }
  say(`two replicas at rest for ${seconds} s`)
  await wait(settle)
  const before = proxies.map(({ seen }) => seen.length)
  await inTurn(() => wait(seconds * 1000))
  const asked = proxies.map(({ seen }, index) =>
    seen.slice(before[index]).filter((request) => !request.isWatch && isAbout(site, request)),
  )
  const [busy = [], idle = []] = [...asked].sort((a, b) => b.length - a.length)
  return { housekeeping: busy.length / seconds, other: idle.length / seconds, calls: count([...busy, ...idle]) }
}

/** Others in the cluster may not be at rest. */
function isAbout({ stateNamespace, namespaces }: BenchSite, { path }: SeenRequest): boolean {
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1]
  return namespace === undefined || namespace === stateNamespace || namespaces.includes(namespace)
}

function count(requests: readonly SeenRequest[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>()
  for (const { method, path } of requests) {
    const what = `${method} ${path}`
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a))
}

/** The same account, by way of the proxy. */
function kubeconfigBy(
  { port, caFile }: FaultProxy,
  original: string,
): { readonly folder: string; readonly file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const config = parse(readFileSync(original, 'utf8'))
  const certificate = readFileSync(caFile).toString('base64')
  const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': certificate }
  const clusters = config.clusters.map(({ name }: { readonly name: string }) => ({ name, cluster }))
  const file = join(folder, 'kubeconfig')
  writeFileSync(file, stringify({ ...config, clusters }), { mode: 0o600 })
  return { folder, file }
}
