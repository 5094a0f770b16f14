/**
 * Messages that go to a WebSocket server through a contender and come back: 32 sockets, each with one message under way. The load and that server share
 * a core, which is full before a contender's is; so what a message costs the contender is told as well, for which no core has to be full.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Contender } from './contenders.ts'
import { cpuSeconds, listening, pinned } from './measure.ts'

const upstreamPort = 18_902
const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export interface Echo {
  readonly messagesPerSecond: number
  /** Of the contender's processor, for a message there and back. */
  readonly cpuMicroseconds: number
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
  const cpu = await cpuSeconds(pid)
  while (!load.stdout.join('').includes('messages')) await wait(20)
  const cpuMicroseconds = ((await cpuSeconds(pid)) - cpu) * 1e6
  const messages = Number(/(\d+) messages/.exec(load.stdout.join(''))?.[1] ?? Number.NaN)
  return { messagesPerSecond: messages / seconds, cpuMicroseconds: cpuMicroseconds / messages }
}
