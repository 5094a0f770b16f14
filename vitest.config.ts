import { defineConfig } from 'vitest/config'
import { SkippedSuites } from './test/support/skipped-suites.ts'

// Only a run of everything is a report of what works (`npm run features`); `vitest run some/file` leaves the last one alone.
const isFullRun = process.argv.slice(2).join(' ') === 'run'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters: ['default', new SkippedSuites(), ...(isFullRun ? ['json'] : [])],
    outputFile: { json: 'artefacts/test-report.json' },
  },
})
