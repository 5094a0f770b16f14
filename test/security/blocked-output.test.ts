/** A disk that is full, a reader of standard output that has stopped: what cannot be written costs lines, never a request or a wait. */
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { serve } from '#cli/serve.ts'
import { systemClock } from '#lib/clock.ts'
import { type LineOutput, openOutput } from '#observe/output.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { openTenants, requestText } from '#test/support/tenants.ts'

const kilobyte = `${'x'.repeat(1023)}\n`
/** More than may wait for a slow reader. */
const flood = 12 * 1024
/** Milliseconds. */
const longestStall = 50

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'gatehouse-output-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

interface Place extends Disposable {
  open(): LineOutput
}

/** A file system of 64 KB, of which nothing is left; where none may be mounted, the device that is always full. */
function fullDisk(): Place {
  const place = folder()
  const open = (file: string) => () => openOutput({ path: file, limit: 1024 * 1024, older: 1 }, systemClock)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place.path], { stdio: 'ignore' })
  } catch {
    return { ...place, open: open('/dev/full') }
  }
  expect(() => writeFileSync(join(place.path, 'all-of-it'), 'x'.repeat(128 * 1024))).toThrow('ENOSPC')
  return {
    open: open(join(place.path, 'gatehouse.log')),
    [Symbol.dispose]() {
      execFileSync('umount', ['--lazy', place.path])
      place[Symbol.dispose]()
    },
  }
}

/** As a standard output whose reader hangs: it takes 64 KB, and then no more. */
function blockedPipe(): Place & { readonly descriptor: number } {
  const place = folder()
  const file = join(place.path, 'pipe')
  execFileSync('mkfifo', [file])
  const descriptor = openSync(file, constants.O_RDWR | constants.O_NONBLOCK)
  return {
    descriptor,
    open: () => openOutput(descriptor, systemClock),
    [Symbol.dispose]() {
      closeSync(descriptor)
      place[Symbol.dispose]()
    },
  }
}

test.each([
  ['a full disk', fullDisk],
  ['a standard output that nobody reads', blockedPipe],
] as const)(
  '#87 %s costs lines and nothing else: people log in, requests are served, and nothing stalls',
  async (_what, make) => {
    using place = make()
    await using output = place.open()
    await using tenants = await openTenants({ output })
    const { a, attack, world } = tenants
    const { cookie, authority: host, prefix: target } = a
    /** The longest stall, in milliseconds, while lines pour and requests are answered. */
    const stall = async () => {
      using connection = await openRaw(world.port)
      const delay = monitorEventLoopDelay({ resolution: 5 })
      delay.enable()
      for (let round = 0; round < 50; round += 1) {
        for (let line = 0; line < flood / 50; line += 1) output.write(kilobyte)
        connection.send(requestText({ target, host, cookie }))
        expect((await connection.answer()).status).toBe(200)
      }
      delay.disable()
      return delay.max / 1e6
    }
    const stalls = [await stall()]
    // Another process may have had the core in one of them.
    while (Math.min(...stalls) >= longestStall && stalls.length < 10) stalls.push(await stall())
    expect(output.lost).toBeGreaterThan(0)
    expect(Math.min(...stalls)).toBeLessThan(longestStall)
    const dave = await world.as('dave')
    expect((await dave.open(a.url)).status).toBe(403)
    expect(await attack(requestText({ target, host }))).toEqual({
      status: 401,
      reasons: ['login-needed:none'],
      upstreamBytes: 0,
    })
  },
)

test('#87 the gateway of a cluster writes to its standard output in the background: it starts, ends and counts what was lost', async () => {
  using pipe = blockedPipe()
  const silent = { write: () => true }
  const stops: ((name: 'SIGTERM') => void)[] = []
  const nothing = { [Symbol.dispose]: () => undefined }
  const before = performance.now()
  let lost = 0
  const code = await serve([], {
    ...{ stdout: silent, stderr: silent, cwd: () => '/', clock: systemClock },
    env: { GATEHOUSE_DOMAIN: 'ws.example.test', GATEHOUSE_MANAGER_NAME: 'gatehouse' },
    openStandardOutput: pipe.open,
    openCluster: async ({ log, lostLines }) => {
      for (let line = 0; line < 3 * flood; line += 1) log.info({ reason: 'x'.repeat(500) }, 'a line')
      lost = lostLines()
      for (const stop of stops) stop('SIGTERM')
      return { drain: async () => undefined, ended: Promise.resolve() }
    },
    onSignal(handle) {
      stops.push(handle)
      return nothing
    },
    onFault: () => nothing,
    exitNow: () => undefined,
  })
  expect(code).toBe(0)
  expect(lost).toBeGreaterThan(0)
  expect(performance.now() - before).toBeLessThan(10_000)
})
