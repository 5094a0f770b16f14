/** Gatehouse beside nginx and haproxy: the same bytes to all three, and no request that only Gatehouse sees in them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '#test/support/real-parts.ts'
import { readCorpus } from './corpus.ts'
import { confirm, fuzz } from './fuzz.ts'
import { reportOf } from './report.ts'
import { lastTarget } from './request-case.ts'
import { openStage, type Stage } from './stage.ts'

const span = 120_000
/** The same ground every time: what a change brings to light is of that change. `npm run fuzz` breaks new ground. */
const seed = 'gatehouse'

describeWith('nginx', 'beside nginx', (nginx) => {
  describeWith('haproxy', 'and haproxy', (haproxy) => {
    describe('a case that was kept', () => {
      let stage: Stage | undefined
      beforeAll(async () => {
        stage = await openStage({ lanes: 1, nginx, haproxy })
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

    test('two minutes of cases show no request that Gatehouse alone sees', { timeout: span * 2 }, async () => {
      const { cases, reached, shown } = await fuzz({ lanes: 8, nginx, haproxy, seed, span })
      expect(shown.map(reportOf), `seed ${seed}`).toEqual([])
      // Or it was a test of refusals alone.
      expect(reached, `${lastTarget} of ${cases} cases`).toBeGreaterThan(cases / 5)
    })
  })
})
