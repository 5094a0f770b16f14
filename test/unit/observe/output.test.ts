import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { openOutput } from '#observe/output.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

/** Nobody is hurried at the end: a file takes as long as its machine needs. */
const patient = fakeClock()

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'gatehouse-output-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const large = { limit: 1024 * 1024, older: 1 }

test('lines arrive whole and in order, and disposing waits for them', async () => {
  using place = folder()
  const file = join(place.path, 'logs', 'gatehouse.log')
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index} ${'é'.repeat(50)}\n`)
  {
    await using output = openOutput({ path: file, ...large }, patient)
    for (const line of lines) output.write(line)
  }
  expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a full disk costs lines, which are counted, and nothing else', async () => {
  const output = openOutput({ path: '/dev/full', ...large }, systemClock)
  output.write('lost\n')
  await expect.poll(() => output.lost).toBe(1)
  await output[Symbol.asyncDispose]()
})

test('a reader that does not read costs lines above a bound, and no waiting', async () => {
  using place = folder()
  const pipe = join(place.path, 'pipe')
  execFileSync('mkfifo', [pipe])
  // Non-blocking and never read: the pipe fills, then each write is refused with EAGAIN.
  const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
  const output = openOutput(descriptor, systemClock)
  const line = `${'x'.repeat(1023)}\n`
  for (let index = 0; index < 20_000; index++) output.write(line)
  expect(output.lost).toBeGreaterThan(10_000)
  const started = performance.now()
  await output[Symbol.asyncDispose]()
  expect(performance.now() - started).toBeLessThan(5000)
  closeSync(descriptor)
})

describe('a file that is full', () => {
  const lines = Array.from({ length: 3_000 }, (_, index) => `line ${index} ${'é'.repeat(index % 90)}\n`)

  /** The newest last. */
  function files(path: string): readonly string[] {
    const names = readdirSync(dirname(path)).sort((a, b) => ageOf(b) - ageOf(a))
    return names.map((name) => join(dirname(path), name))
  }

  const ageOf = (name: string) => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0)
  const textOf = (paths: readonly string[]) => paths.map((path) => readFileSync(path, 'utf8')).join('')

  test('is set aside, and no line is lost, torn or out of order', async () => {
    using place = folder()
    const path = join(place.path, 'logs', 'audit.log')
    {
      await using output = openOutput({ path, limit: 600_000, older: 9 }, patient)
      for (let round = 0; round < 4; round++) for (const line of lines) output.write(line)
      expect(output.lost).toBe(0)
    }
    const all = files(path)
    expect(all.length).toBeGreaterThan(1)
    expect(textOf(all)).toBe(lines.join('').repeat(4))
    for (const file of all) {
      expect(readFileSync(file, 'utf8')).toMatch(/^line \d+ é*\n/)
      expect(readFileSync(file, 'utf8').endsWith('\n')).toBe(true)
      expect(statSync(file).size).toBeLessThanOrEqual(600_000)
      expect(statSync(file).mode & 0o777).toBe(0o600)
    }
  })

  test('is one of as many as are kept; the oldest go', async () => {
    using place = folder()
    const path = join(place.path, 'gatehouse.log')
    {
      await using output = openOutput({ path, limit: 1_000, older: 2 }, patient)
      for (const line of lines) output.write(line)
    }
    const all = files(path)
    expect(all.map((file) => ageOf(file))).toEqual([2, 1, 0])
    expect(lines.join('').endsWith(textOf(all))).toBe(true)
    expect(textOf(all).length).toBeGreaterThan(1_000)
  })

  test('of an earlier run is gone on with, and counts', async () => {
    using place = folder()
    const path = join(place.path, 'gatehouse.log')
    for (const text of ['a', 'b', 'c']) {
      await using output = openOutput({ path, limit: 100, older: 5 }, patient)
      output.write(`${text.repeat(59)}\n`)
    }
    expect(files(path).map((file) => statSync(file).size)).toEqual([60, 60, 60])
  })

  test('is begun anew when somebody has taken it away with its folder', async () => {
    using place = folder()
    const path = join(place.path, 'logs', 'gatehouse.log')
    await using output = openOutput({ path, limit: 100, older: 1 }, systemClock)
    output.write(`${'a'.repeat(99)}\n`)
    await expect.poll(() => statSync(path).size).toBe(100)
    rmSync(dirname(path), { recursive: true })
    output.write('next\n')
    await expect.poll(() => existsSync(path) && readFileSync(path, 'utf8')).toBe('next\n')
    expect(output.lost).toBe(0)
  })

  test('that can’t be set aside costs lines, which are counted, and goes on when it can', async () => {
    using place = folder()
    const path = join(place.path, 'gatehouse.log')
    await using output = openOutput({ path, limit: 100, older: 1 }, systemClock)
    // A folder that is not empty can't be replaced by a file.
    mkdirSync(join(`${path}.1`, 'x'), { recursive: true })
    output.write(`${'a'.repeat(99)}\n`)
    await expect.poll(() => statSync(path).size).toBe(100)
    output.write('lost\n')
    await expect.poll(() => output.lost).toBe(1)
    rmSync(`${path}.1`, { recursive: true })
    output.write('kept\n')
    await expect.poll(() => readFileSync(path, 'utf8')).toBe('kept\n')
    expect(statSync(`${path}.1`).size).toBe(100)
  })
})
