import { defineConfig } from 'vitest/config'
import { SkippedSuites } from './test/support/skipped-suites.ts'
import { SlowestFirst } from './test/support/slowest-first.ts'

// Only a run of everything is a report of what works (`npm run features`); `vitest run some/file` leaves the last one alone.
const isFullRun = process.argv.slice(2).join(' ') === 'run'

const inCluster = ['test/cluster/**/*.test.ts']
/** It stops the cluster's control plane, which every other test in a cluster needs; those that need this machine alone go on meanwhile. */
const freezing = ['test/cluster/freezing/**/*.test.ts']
/** They claim times under a load of their own. */
const alone = [
  ...['login-storm', 'replica-faults', 'many-workspaces'].map((name) => `test/cluster/${name}.test.ts`),
  'test/bench/**/*.test.ts',
]

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
    // One after another.
    projects: [
      // More at a time are not done sooner on two cores, which pods and the control plane need as well.
      project('cluster', { order: 0, workers: 2, include: inCluster, exclude: [...freezing, ...alone] }),
      project('machine', {
        ...{ order: 1, workers: 2 },
        include: ['test/!(cluster|bench)/**/*.test.ts', ...freezing],
      }),
      project('alone', { order: 2, workers: 1, include: alone }),
    ],
  },
})

interface Project {
  readonly order: number
  /** Test files at a time. */
  readonly workers: number
  readonly include: string[]
  readonly exclude?: string[]
}

function project(name: string, { order, workers, include, exclude = [] }: Project) {
  return {
    extends: true as const,
    test: { name, include, exclude, maxWorkers: workers, sequence: { groupOrder: order } },
  }
}
