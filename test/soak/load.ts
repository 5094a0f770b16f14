/** The mixed load: what people do in fifty tabs, and what goes wrong meanwhile. Everything ends with the signal. */
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { Visiting } from './orders.ts'
import { shakeHands, textFrame } from './sockets.ts'
import type { Stage } from './stage.ts'
import { visitor } from './visits.ts'

/** Which app is what. */
export const roles = { lab: 0, idle: 1, flaky: 2 } as const

/** How often everything was done, so that a run that did nothing is not taken for a good one. */
export interface Tally {
  requests: number
  messages: number
  uploads: number
  refusedUpgrades: number
  revocations: number
  restarts: number
  /** What should have gone well, and did not. */
  readonly failures: string[]
}

export interface LoadParts {
  readonly stage: Stage
  readonly tally: Tally
  readonly signal: AbortSignal
}

type Chore = (round: number) => Promise<void>

/** Again and again; a round that has begun comes to its end. Pauses are of an even length, so that the load is the same from the first minute to the last. */
async function repeat({ signal, tally }: LoadParts, name: string, every: number, chore: Chore): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    const next = performance.now() + every
    try {
      await chore(round)
    } catch (error) {
      if (!signal.aborted) tally.failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
    await wait(Math.max(1, next - performance.now()), undefined, { signal }).catch(() => undefined)
  }
}

function expectStatus(actual: number, expected: number, what: string): void {
  if (actual !== expected) throw new Error(`${what} was answered with ${actual}`)
}

/** Loads its files, then keeps a kernel's socket that talks, asks for the state of things, and saves now and then. */
async function tab(parts: LoadParts, to: Visiting, index: number): Promise<void> {
  const { stage, tally, signal } = parts
  await wait(index * 40, undefined, { signal }).catch(() => undefined)
  using browser = visitor(stage.port, to)
  const get = async (path: string) => {
    expectStatus((await browser.ask(path)).status, 200, path)
    tally.requests += 1
  }
  const { socket, status } = await shakeHands({ port: stage.port, to, path: '/echo' })
  expectStatus(status, 101, 'the socket of a kernel')
  const notebook = Buffer.alloc(64 * 1024, 'x')
  await repeat(parts, `tab ${index}`, 1000, async (round) => {
    // A page is loaded anew each half minute.
    if (round % 30 === 0) await Promise.all(Array.from({ length: 12 }, (_, file) => get(`/static/${file}`)))
    if (round % 5 === 0) await Promise.all(['sessions', 'kernels', 'terminals'].map((name) => get(`/api/${name}`)))
    if (round % 15 === 7) {
      expectStatus((await browser.ask('/api/contents', { method: 'PUT', body: notebook })).status, 200, 'a save')
      tally.uploads += 1
    }
    socket.write(textFrame(`{"tab":${index},"round":${round}}`))
    await once(socket, 'data')
    tally.messages += 1
  })
  socket.destroy()
}

async function uploads(parts: LoadParts, to: Visiting): Promise<void> {
  using browser = visitor(parts.stage.port, to)
  const body = Buffer.alloc(4 * 1024 * 1024, 'x')
  await repeat(parts, 'upload', 500, async () => {
    expectStatus((await browser.ask('/upload', { method: 'POST', body })).status, 200, 'an upload')
    parts.tally.uploads += 1
  })
}

async function refusedUpgrades(parts: LoadParts, to: Visiting): Promise<void> {
  await repeat(parts, 'refused upgrade', 100, async () => {
    const refused = [1, 2, 3, 4].map(() => shakeHands({ port: parts.stage.port, to, path: '/refused' }))
    for (const { status, socket } of await Promise.all(refused)) {
      socket.destroy()
      expectStatus(status, 403, 'an upgrade that the app refuses')
      parts.tally.refusedUpgrades += 1
    }
  })
}

/** Alice shares with bob, who opens sockets and loses them when she thinks better of it. */
async function revocations(parts: LoadParts): Promise<void> {
  const { stage, tally } = parts
  await repeat(parts, 'revocation', 3000, async () => {
    const name = await stage.ask({ kind: 'share' })
    const [to] = await stage.ask({ kind: 'visit', as: 'bob' })
    if (!to) throw new Error('bob sees nothing')
    const shaking = Array.from({ length: 10 }, () => shakeHands({ port: stage.port, to, path: '/silent' }))
    const open = await Promise.all(shaking)
    for (const { status } of open) expectStatus(status, 101, "bob's socket")
    const closed = open.map(({ socket }) => once(socket.resume(), 'close'))
    await stage.ask({ kind: 'revoke', name })
    for (const { socket } of open) socket.once('end', () => socket.end())
    await Promise.all(closed)
    tally.revocations += 1
  })
}

/** The app goes and comes again; who had a socket there comes back until he has one. */
async function restarts(parts: LoadParts, to: Visiting): Promise<void> {
  const { stage, tally } = parts
  const untilOpen = async () => {
    for (const until = performance.now() + 20_000; ; ) {
      const { socket, status } = await shakeHands({ port: stage.port, to, path: '/silent' })
      if (status === 101) return socket.resume()
      socket.destroy()
      if (performance.now() > until) throw new Error(`still refused with ${status}`)
      await wait(100)
    }
  }
  await repeat(parts, 'restart', 5000, async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, untilOpen))
    const closed = sockets.map((socket) => once(socket, 'close'))
    for (const socket of sockets) socket.once('end', () => socket.end())
    await stage.restart(roles.flaky)
    await Promise.all(closed)
    tally.restarts += 1
  })
}

export async function mixedLoad(parts: LoadParts, tabs: number): Promise<void> {
  const { alice } = parts.stage
  const [lab, , flaky] = alice
  if (!lab || !flaky) throw new Error('alice sees nothing')
  await Promise.all([
    ...Array.from({ length: tabs }, (_, index) => tab(parts, lab, index)),
    uploads(parts, lab),
    refusedUpgrades(parts, lab),
    revocations(parts),
    restarts(parts, flaky),
  ])
}
