/** Two minutes of the mixed load; `npm run soak -- --minutes 10` goes on for longer. */
import { expect, test } from 'vitest'
import { describeReport, soak } from './soak.ts'
import { verdict } from './verdict.ts'

const minutes = Number(process.env.GATEHOUSE_SOAK_MINUTES ?? 2)
const idleSockets = 5_000

test(`[JK20.4] beside what 50 tabs, uploads, refused upgrades, revocations and restarts of an app do for ${minutes} minutes, ${idleSockets} idle WebSockets stay open, memory stays flat, and afterwards as many descriptors are open as before`, {
  timeout: (3 * minutes + 3) * 60_000,
}, async () => {
  const report = await soak({ minutes, tabs: 50, idleSockets })
  process.stdout.write(`${describeReport(report)}\n`)
  expect(verdict(report)).toEqual([])
})
