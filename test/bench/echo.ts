/** Messages that go to a WebSocket server through a contender and come back: 32 sockets, each with one message under way. */

import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contenders.ts'
import { cpuSeconds, listening, pinned } from './measure.ts'

const upstreamPort = 18_902
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export interface Echo {
  readonly messagesPerSecond: number
  /** Share of the contender's core that it used. */
  readonly busy: number
}

export async function echo(
  contender: Contender,
  { core, loadCore, seconds }: { readonly core: number; readonly loadCore: number; readonly seconds: number },
): Promise<Echo> {
  await using _upstream = await pinned(loadCore, process.execPath, [
    file('./contenders/echo-upstream.ts'),
    `${upstreamPort}`,
  ])
  await listening(upstreamPort)
  await using running = await contender.start({ core, upstreamPort })
  const { url, headers, pid } = running
  const args = [file('./contenders/echo-load.ts'), new URL(url).port, String(seconds), ...headers]
  await using load = await pinned(loadCore, process.execPath, args)
  while (!load.stdout.join('').includes('begun')) await wait(20)
  const [cpu, start] = [await cpuSeconds(pid), performance.now()]
  while (!load.stdout.join('').includes('messages')) await wait(20)
  const busy = ((await cpuSeconds(pid)) - cpu) / ((performance.now() - start) / 1000)
  const messages = Number(/(\d+) messages/.exec(load.stdout.join(''))?.[1] ?? Number.NaN)
  return { messagesPerSecond: messages / seconds, busy }
}
