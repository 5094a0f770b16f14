/** `npm run sessions` for a thousand of them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { type AliasScene, aliasScene } from '#test/support/alias-scene.ts'
import { describeWith } from '#test/support/real-parts.ts'

const run = promisify(execFile)
const count = Number(process.env.GATEHOUSE_SHORT_SESSIONS ?? 20)
/** At a time: two processes each, and sshd's. */
const lanes = 2
/** What the first ones leave in caches and compiled code is no leak. */
const warm = 10
/** Bytes, for each session: a tunnel that was forgotten is some 36 KB, and its TLS more. */
const mostKept = 4_096

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

interface Held {
  readonly descriptors: number
  readonly sockets: number
  readonly processes: number
  /** Bytes that anything refers to. */
  readonly memory: number
  readonly resident: number
}

describeWith('sshd', 'OpenSSH', (sshd) => {
  test(`${count} short sessions of a stock ssh, one in five killed, leave nothing behind at the gateway`, async () => {
    await using scene = await aliasScene(sshd, ['sh', 'echo', 'sleep'])
    await sessions(scene, warm)
    await settled(scene)
    const before = await held()
    const began = performance.now()
    await sessions(scene, count)
    const took = performance.now() - began
    await settled(scene)
    const after = await held()
    process.stdout.write(`${say(before, after, took)}\n`)
    expect(after.processes).toBe(before.processes)
    expect(after.sockets).toBeLessThanOrEqual(before.sockets)
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
    // What a few thousand allocations of anything else take.
    expect(after.memory - before.memory).toBeLessThan(4 * 2 ** 20 + count * mostKept)
  }, 1_200_000)
})

async function sessions(scene: AliasScene, wanted: number): Promise<void> {
  let begun = 0
  const lane = async () => {
    while (begun < wanted) {
      begun += 1
      await (begun % 5 === 0 ? killed(scene) : whole(scene, begun))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function whole({ config, alias, env }: AliasScene, number: number): Promise<void> {
  const { stdout, stderr } = await run('ssh', ['-F', config, alias, `echo ${number}`], { env })
  expect([stdout, stderr]).toEqual([`${number}\n`, ''])
}

/** In the middle of what it does, and without a word. */
async function killed({ config, alias, env }: AliasScene): Promise<void> {
  const client: ChildProcess = spawn('ssh', ['-F', config, alias, 'echo begun; exec sleep 600'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(client, 'exit')
  const [said] = await Promise.race([once(client.stdout ?? client, 'data'), ended])
  expect(String(said)).toBe('begun\n')
  client.kill('SIGKILL')
  await ended
}

/** What they had is given back: streams, places, connections, sshd's processes. */
async function settled({ scene: { app, world } }: AliasScene): Promise<void> {
  const places = async () => {
    const { items } = await world.resources.list(oneTimeKind, { namespace: 'gatehouse' })
    return items.filter(({ spec }) => spec.purpose === 'slot').length
  }
  await world.until(async () => app.connections.size === 0 && (await places()) === 0, 'all is given back')
  expect(await world.figure('gatehouse_streams', 'kind="tunnel"')).toBe(0)
  // Of sshd one alone is left; compilers of test files may come and go.
  await expect.poll(() => processes().filter((name) => name.startsWith('sshd') || name === 'ssh').length).toBe(1)
}

async function held(): Promise<Held> {
  // Connections that were kept for a next request are closed after some seconds.
  const openSockets = () => descriptors().filter((target) => target.startsWith('socket:')).length
  let sockets = openSockets()
  for (let calm = 0; calm < 10; calm += 1) {
    await wait(100)
    if (openSockets() !== sockets) calm = 0
    sockets = openSockets()
  }
  collectGarbage()
  await wait(100)
  collectGarbage()
  const { heapUsed, arrayBuffers, external, rss } = process.memoryUsage()
  return {
    descriptors: descriptors().length,
    sockets,
    processes: processes().length,
    memory: heapUsed + arrayBuffers + external,
    resident: rss,
  }
}

/** Where each leads to. */
function descriptors(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`)]
    } catch {
      // That of the look itself.
      return []
    }
  })
}

/** Names of those below this one, however far. */
function processes(): readonly string[] {
  const all = readdirSync('/proc').flatMap((name) => {
    try {
      const [, pid = '', program = '', parent = ''] =
        /^(\d+) \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${Number(name)}/stat`, 'utf8')) ?? []
      return [{ pid, program, parent }]
    } catch {
      return []
    }
  })
  const below = new Set([String(process.pid)])
  const found: string[] = []
  for (let before = -1; before !== below.size; ) {
    before = below.size
    for (const { pid, program, parent } of all) {
      if (!below.has(parent) || below.has(pid)) continue
      below.add(pid)
      found.push(program)
    }
  }
  return found
}

function say(before: Held, after: Held, took: number): string {
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const grown = Math.round((after.memory - before.memory) / count)
  return [
    `${count} sessions of ssh in ${(took / 1000).toFixed(1)} s (${Math.round((took * lanes) / count)} ms each, ${lanes} at a time):`,
    `descriptors ${before.descriptors} to ${after.descriptors}, sockets ${before.sockets} to ${after.sockets}, processes ${before.processes} to ${after.processes},`,
    `memory in use ${mib(before.memory)} to ${mib(after.memory)} (${grown} bytes a session), resident ${mib(before.resident)} to ${mib(after.resident)}`,
  ].join(' ')
}
