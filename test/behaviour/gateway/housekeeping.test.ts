import { expect, test } from 'vitest'
import { createWorld } from '#test/support/world.ts'

test('a replica whose turn to keep house is over ends what it does without a fault', async () => {
  const turn = new AbortController()
  const begun = Promise.withResolvers<{ readonly work: Promise<void> }>()
  await using _world = await createWorld({
    async keepHouse(chores, signal) {
      const work = chores(AbortSignal.any([signal, turn.signal]))
      begun.resolve({ work })
      await work
    },
  })
  const { work } = await begun.promise
  turn.abort()
  await expect(work).resolves.toBeUndefined()
})
