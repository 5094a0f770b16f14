/** A gigabyte through a contender, by curl: how fast, and what it costs the contender. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Contender } from './contenders.ts'
import { cpuSeconds } from './measure.ts'

const run = promisify(execFile)

export interface Download {
  readonly megabytesPerSecond: number
  /** Of the contender, for the gigabyte. */
  readonly cpuSeconds: number
}

/** Once before all: what the system reads for the first time is slow for whoever is first. */
export async function readAhead({ loadCore, upstreamPort }: { loadCore: number; upstreamPort: number }): Promise<void> {
  const url = `http://127.0.0.1:${upstreamPort}/gigabyte`
  await run('taskset', ['-c', String(loadCore), 'curl', '-s', '-o', '/dev/null', url])
}

export async function download(
  contender: Contender,
  { core, loadCore, upstreamPort }: { readonly core: number; readonly loadCore: number; readonly upstreamPort: number },
): Promise<Download> {
  await using running = await contender.start({ core, upstreamPort })
  const { url, headers, pid } = running
  const before = await cpuSeconds(pid)
  const fields = headers.flatMap((header) => ['-H', header])
  const told = ['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_download} %{time_total}']
  const { stdout } = await run('taskset', ['-c', String(loadCore), 'curl', ...told, ...fields, `${url}gigabyte`])
  const [status, size = 0, seconds = 0] = stdout.split(' ').map(Number)
  if (status !== 200 || size !== 1024 ** 3) throw new Error(`${contender.name}: ${status}, ${size} bytes`)
  return { megabytesPerSecond: size / 1_000_000 / seconds, cpuSeconds: (await cpuSeconds(pid)) - before }
}
