/** A gigabyte through a contender, by curl, each way: how fast, and what it costs the contender. */
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sparseFile } from './contenders/nginx.ts'
import type { Contender } from './contenders.ts'
import { cpuSeconds, listening, pinned } from './measure.ts'

const run = promisify(execFile)
const gigabyte = 1024 ** 3
const sinkPort = 18_903

export interface Moved {
  readonly megabytesPerSecond: number
  /** Of the contender, for the gigabyte. */
  readonly cpuSeconds: number
}

interface Cores {
  readonly core: number
  readonly loadCore: number
}

/** Once before all: what the system reads for the first time is slow for whoever is first. */
export async function readAhead({ loadCore, upstreamPort }: { loadCore: number; upstreamPort: number }): Promise<void> {
  const url = `http://127.0.0.1:${upstreamPort}/gigabyte`
  await run('taskset', ['-c', String(loadCore), 'curl', '-s', '-o', '/dev/null', url])
}

export async function download(contender: Contender, on: Cores & { readonly upstreamPort: number }): Promise<Moved> {
  return moved(contender, on, () => ['-w', '%{http_code} %{size_download} %{time_total}'])
}

/** Where it goes to counts it, and says nothing before it has all. */
export async function upload(contender: Contender, { core, loadCore }: Cores): Promise<Moved> {
  const sink = fileURLToPath(new URL('./contenders/sink-upstream.ts', import.meta.url))
  await using _sink = await pinned(loadCore, process.execPath, [sink, String(sinkPort)])
  await listening(sinkPort)
  const file = sparseFile(join(mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), 'gigabyte'), gigabyte)
  const on = { core, loadCore, upstreamPort: sinkPort }
  return await moved(contender, on, (headers) => {
    const host = headers.find((header) => header.startsWith('Host: '))?.slice('Host: '.length)
    const sameOrigin = host === undefined ? [] : ['-H', `Origin: http://${host}`]
    return ['-T', file, '-H', 'Expect:', ...sameOrigin, '-w', '%{http_code} %{size_upload} %{time_total}']
  })
}

async function moved(
  contender: Contender,
  { core, loadCore, upstreamPort }: Cores & { readonly upstreamPort: number },
  more: (headers: readonly string[]) => readonly string[],
): Promise<Moved> {
  await using running = await contender.start({ core, upstreamPort })
  const { url, headers, pid } = running
  const before = await cpuSeconds(pid)
  const fields = headers.flatMap((header) => ['-H', header])
  const args = ['-s', '-o', '/dev/null', ...more(headers), ...fields, `${url}gigabyte`]
  const { stdout } = await run('taskset', ['-c', String(loadCore), 'curl', ...args])
  const [status, size = 0, seconds = 0] = stdout.split(' ').map(Number)
  if (status !== 200 || size !== gigabyte) throw new Error(`${contender.name}: ${status}, ${size} bytes`)
  return { megabytesPerSecond: size / 1_000_000 / seconds, cpuSeconds: (await cpuSeconds(pid)) - before }
}
