/** Gatehouse beside nginx and haproxy: the same bytes to all three, and no request that only Gatehouse sees in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '#test/support/real-parts.ts'
import { readCorpus } from './corpus.ts'
import { confirm, fuzz } from './fuzz.ts'
import { reportOf } from './report.ts'
import { openStage, type Stage } from './stage.ts'

/** Two minutes in all. */
const spans = [
  ['host', 80_000],
  ['path', 40_000],
] as const
/** The same ground every time: what a change brings to light is of that change. `npm run fuzz` breaks new ground. */
const seed = 'gatehouse'

describeWith('nginx', 'beside nginx', (nginx) => {
  describeWith('haproxy', 'and haproxy', (haproxy) => {
    describe('a case that was kept', () => {
      let stage: Stage | undefined
      beforeAll(async () => {
        stage = await openStage({ mode: 'host', lanes: 1, nginx, haproxy })
      })
      afterAll(() => stage?.[Symbol.asyncDispose]())

      test.each(readCorpus())('$name', async ({ passes, ...kept }) => {
        const [lane] = stage?.lanes ?? []
        if (!lane) throw new Error('there is no stage')
        const { findings, played } = await confirm(kept, lane)
        expect(findings).toEqual([])
        const passed = played.gatehouse.requests.filter(({ isComplete }) => isComplete)
        expect(passed.map(({ method, target }) => `${method} ${target}`).toSorted()).toEqual(passes.toSorted())
      })
    })

    test.each(spans)(
      'in %s mode no case shows a request that Gatehouse alone sees',
      {
        timeout: 240_000,
      },
      async (mode, span) => {
        const { cases, reached, shown } = await fuzz({ mode, lanes: 8, nginx, haproxy, seed, span })
        expect(shown.map(reportOf), `seed ${seed}`).toEqual([])
        // Or it was a test of refusals alone.
        expect(reached, `the last one of ${cases} cases`).toBeGreaterThan(cases / 5)
      },
    )
  })
})
