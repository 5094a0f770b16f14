import { defineConfig } from 'vitest/config'
import { SkippedSuites } from './test/support/skipped-suites.ts'
import { SlowestFirst } from './test/support/slowest-first.ts'

// Only a run of everything is a report of what works (`npm run features`); `vitest run some/file` leaves the last one alone.
const isFullRun = process.argv.slice(2).join(' ') === 'run'

/** Those that stop the cluster's control plane, which every other test in a cluster needs, and those that claim times under load of their own. */
const alone = ['freezing/**/*', 'login-storm', 'replica-faults'].map((name) => `test/cluster/${name}.test.ts`)

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // What comes in the end, on a machine that may be busy. Where a span of time is the claim, the test says it.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: SlowestFirst },
    reporters: ['default', new SkippedSuites(), ...(isFullRun ? ['json'] : [])],
    outputFile: { json: 'artefacts/test-report.json' },
    projects: [
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: alone,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      // Afterwards, one by one.
      {
        extends: true,
        test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
