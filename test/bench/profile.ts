/** Where the processor's time of a busy Gatehouse goes, by V8's own sampling (`--cpu-prof`). */
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGatehouse } from './contenders.ts'
import { load } from './measure.ts'

interface Sampled {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string }
  }[]
  readonly samples: readonly number[]
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

/** Percent of the time that it was busy, the largest part first. */
export type Profile = readonly { readonly part: string; readonly percent: number }[]

export async function profile(on: {
  readonly core: number
  readonly loadCore: number
  readonly upstreamPort: number
  readonly seconds: number
}): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-profile-'))
  {
    await using running = await startGatehouse({ ...on, nodeOptions: profiling(folder) })
    const { url, headers } = running
    await load({ core: on.loadCore, url, headers, connections: 32, seconds: on.seconds })
  }
  return profileIn(folder, on.seconds * 1e6)
}

/** Options of Node. */
export function profiling(folder: string): readonly string[] {
  return ['--cpu-prof', '--cpu-prof-interval', '250', `--cpu-prof-dir=${folder}`]
}

/** What a process that has ended left in this folder, of its last `span` microseconds. */
export function profileIn(folder: string, span: number): Profile {
  const [file = ''] = readdirSync(folder)
  return partsOf(JSON.parse(readFileSync(join(folder, file), 'utf8')), span)
}

function partsOf({ nodes, samples, timeDeltas }: Sampled, span: number): Profile {
  const partById = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame.functionName, callFrame.url)]))
  const from = timeDeltas.reduce((sum, delta) => sum + delta, 0) - span
  const times = new Map<string, number>()
  let at = 0
  let busy = 0
  for (const [index, sample] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0
    at += delta
    const part = partById.get(sample)
    if (at < from || part === undefined) continue
    busy += delta
    times.set(part, (times.get(part) ?? 0) + delta)
  }
  const parts = [...times].map(([part, time]) => ({ part, percent: Number(((time / busy) * 100).toFixed(1)) }))
  return parts.sort((a, b) => b.percent - a.percent)
}

/** `undefined`: it waited. */
function partOf(name: string, url: string): string | undefined {
  if (name === '(idle)' || name === '(root)') return undefined
  if (name === '(garbage collector)') return 'garbage collection'
  if (name === '(program)') return 'native code without JavaScript: reads, llhttp, epoll'
  if (/^write(?:Latin1String|Utf8String|Buffer|v)$/.test(name)) return 'writes to sockets, the kernel included'
  const module = /^node:(?:internal\/)?(_http|[a-z]+)/.exec(url)?.[1]
  if (module !== undefined) return `Node: ${module === '_http' ? 'http' : module}`
  const own = /\/(src\/[a-z]+)\//.exec(url)?.[1]
  if (own !== undefined) return own
  return url === '' ? 'built-ins' : 'dependencies'
}
