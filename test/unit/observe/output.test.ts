import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { openOutput } from '#observe/output.ts'

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'gatehouse-output-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

test('lines arrive whole and in order, and disposing waits for them', async () => {
  using place = folder()
  const file = join(place.path, 'logs', 'gatehouse.log')
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index} ${'é'.repeat(50)}\n`)
  {
    await using output = openOutput(file, systemClock)
    for (const line of lines) output.write(line)
  }
  expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a full disk costs lines, which are counted, and nothing else', async () => {
  const output = openOutput('/dev/full', systemClock)
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
