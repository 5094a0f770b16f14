/** Replicas of the installed chart: real pods, of the image that is installed. */
import { setTimeout as wait } from 'node:timers/promises'
import { kubectl } from '#test/support/cluster.ts'
import type { Replica } from './replica.ts'
import type { BenchSite } from './site.ts'

export interface PodReplica extends Replica {
  /** Milliseconds from the start of its process to the first `/readyz` that said yes. */
  readonly readyAfter: number
  residentMb(): Promise<number>
}

interface PodList {
  readonly items: readonly { readonly metadata: object; readonly status: { readonly podIP?: string } }[]
}

const visitorsPort = 8080
const operationsPort = 8802
const patience = 120_000
const lookEvery = 10

/** So many, all of them new and ready. */
export async function freshReplicas(site: BenchSite, count: number): Promise<readonly PodReplica[]> {
  await scale(site, 0)
  await untilPods(site, (_addresses, all) => all === 0)
  if (count === 0) return []
  await scale(site, count)
  const addresses = await untilPods(site, (found) => found.length === count)
  return Promise.all(addresses.map(watchStart))
}

async function scale({ stateNamespace }: BenchSite, replicas: number): Promise<void> {
  await kubectl(['-n', stateNamespace, 'scale', 'deployment', stateNamespace, `--replicas=${replicas}`])
}

async function untilPods(
  { stateNamespace }: BenchSite,
  isEnough: (addresses: readonly string[], all: number) => boolean,
): Promise<readonly string[]> {
  const end = performance.now() + patience
  for (;;) {
    const { items }: PodList = JSON.parse(await kubectl(['-n', stateNamespace, 'get', 'pods', '-o', 'json']))
    const addresses = items.flatMap(({ status }) => status.podIP ?? [])
    if (isEnough(addresses, items.length)) return addresses
    if (performance.now() > end) throw new Error(`there are ${items.length} pods`)
    await wait(100)
  }
}

async function watchStart(host: string): Promise<PodReplica> {
  const end = performance.now() + patience
  while (!(await isReady(host))) {
    if (performance.now() > end) throw new Error(`${host} does not get ready`)
    await wait(lookEvery)
  }
  const readyAt = Date.now()
  const startedAt = (await figureOf(host, 'process_start_time_seconds')) * 1000
  return {
    ...{ host, port: visitorsPort, readyAfter: readyAt - startedAt },
    residentMb: async () => (await figureOf(host, 'process_resident_memory_bytes')) / 2 ** 20,
  }
}

async function isReady(host: string): Promise<boolean> {
  try {
    return (await fetch(`http://${host}:${operationsPort}/readyz`)).ok
  } catch {
    return false
  }
}

async function figureOf(host: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${host}:${operationsPort}/metrics`)).text()
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`there is no figure ${name}`)
  return Number(value)
}
