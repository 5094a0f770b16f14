/**
 * The options of Node that the image starts Gatehouse with, as its Dockerfile says, and the heap that Node gives itself within the memory
 * of the chart: what is measured is what runs.
 */
import { readFileSync } from 'node:fs'

/** Of what a container may have Node gives its heap half. */
const heapShare = 0.5

export function imageOptions(): readonly string[] {
  const entry = /^ENTRYPOINT \["node", (.*)"\/app\/bin\/gatehouse\.js"\]$/m.exec(read('../../Dockerfile'))?.[1]
  const limit = /^ {2}limits: \{memory: (\d+)Mi\}$/m.exec(read('../../charts/gatehouse/values.yaml'))?.[1]
  if (entry === undefined) throw new Error('the Dockerfile starts something else')
  if (limit === undefined) throw new Error('the chart says nothing of memory')
  const options = [...entry.matchAll(/"([^"]+)"/g)].map(([, option = '']) => option)
  return [...options, `--max-old-space-size=${Math.floor(Number(limit) * heapShare)}`]
}

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8')
}

/** The environment that the chart gives a pod besides. One heap of malloc, not one for each thread: what bursts leave in pieces all over them looks like growth. */
export function podEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, MALLOC_ARENA_MAX: '1' }
}
