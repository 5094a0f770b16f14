import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { together } from '#lib/together.ts'

/** Work that ends a while after it is told to. */
function slow(signal: AbortSignal, onEnd: () => void): Promise<void> {
  return new Promise((resolve) => {
    const end = async () => {
      for (let turns = 0; turns < 5; turns += 1) await turn()
      onEnd()
      resolve()
    }
    signal.addEventListener('abort', () => void end(), { once: true })
  })
}

test('one that fails ends the others, and its error is told when they have ended', async () => {
  const { signal } = new AbortController()
  const ended: string[] = []
  const failing = async () => {
    await turn()
    throw new Error('the first')
  }
  const follower = async (ending: AbortSignal) => {
    await slow(ending, () => ended.push('follower'))
    throw new Error('the second')
  }
  const work = together(signal, failing, follower, (ending) => slow(ending, () => ended.push('other')))
  await expect(work).rejects.toThrow('the first')
  expect(ended.toSorted()).toEqual(['follower', 'other'])
})

test('behind the signal it is over when all are, and what fails then is no fault', async () => {
  const ending = new AbortController()
  const ended: string[] = []
  const late = async (signal: AbortSignal) => {
    await slow(signal, () => ended.push('late'))
    throw new Error('of no account')
  }
  const work = together(ending.signal, late, (signal) => slow(signal, () => ended.push('other')))
  await turn()
  expect(ended).toEqual([])
  ending.abort()
  await expect(work).resolves.toBeUndefined()
  expect(ended.toSorted()).toEqual(['late', 'other'])
})

test('it is over when each has come to its end by itself', async () => {
  const { signal } = new AbortController()
  await expect(
    together(
      signal,
      async () => void (await turn()),
      async () => undefined,
    ),
  ).resolves.toBeUndefined()
})
