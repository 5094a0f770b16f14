/** A gateway in a process of its own holds thousands of silent WebSockets. `npm run soak` holds them for ten minutes. */
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { contenders } from '../../bench/contenders.ts'
import { closeAll, openAll } from '../../bench/idle-sockets.ts'
import { listening, pinned, residentKb } from '../../bench/measure.ts'

const sockets = 5_000
const seconds = Number(process.env.GATEHOUSE_SOAK_SECONDS ?? 120)
const upstreamPort = 18_902

test(`[JK20.4] ${sockets} idle WebSockets stay open for ${seconds} s, and the gateway's memory stays flat`, {
  timeout: (seconds + 90) * 1000,
}, async () => {
  const server = fileURLToPath(new URL('../../bench/contenders/websocket-upstream.ts', import.meta.url))
  await using _upstream = await pinned(undefined, process.execPath, [server, String(upstreamPort)])
  await listening(upstreamPort)
  const gatehouse = contenders.find(({ name }) => name === 'gatehouse')
  if (!gatehouse) throw new Error('the benchmark has lost its contender')
  await using running = await gatehouse.start({ core: undefined, upstreamPort })
  const open = await openAll(Number(new URL(running.url).port), running.headers, sockets)
  const closed = new Set<unknown>()
  for (const socket of open) socket.once('close', () => closed.add(socket))
  // What opening them left behind is collected first.
  await wait(10_000)
  const before = await residentKb(running.pid)
  await wait(seconds * 1000)
  const grownKb = (await residentKb(running.pid)) - before
  const alive = open.length - closed.size
  closeAll(open)
  expect(alive).toBe(sockets)
  // A leak of 1 KB a socket and minute would be 10 MB after two minutes.
  expect(grownKb).toBeLessThan(8 * 1024)
})
