import { defineConfig } from 'vitest/config'
import { SkippedSuites } from './test/support/skipped-suites.ts'
import { SlowestFirst } from './test/support/slowest-first.ts'
import { UnhandledErrors } from './test/support/unhandled-errors.ts'

// Only a run of everything is a report of what works (`npm run features`); `vitest run some/file` leaves the last one alone. `scripts/test-runs.ts` names
// another folder for each part of one.
const isFullRun = process.argv.slice(2).join(' ') === 'run'
const reports = process.env.GATEHOUSE_TEST_REPORTS ?? (isFullRun ? 'artefacts' : undefined)

const inCluster = ['test/cluster/**/*.test.ts']
/** It stops the cluster's control plane, which every other test in a cluster needs; those that need this machine alone go on meanwhile. */
const freezing = ['test/cluster/freezing/**/*.test.ts']
/**
 * They claim times under a load of their own, or how memory grows under one, which is warm later where others have the processors as well; or, with
 * a metrics API, the cluster tells meanwhile of all pods how busy they are.
 */
const alone = [
  ...['replica-faults', 'many-workspaces', 'load'].map((name) => `test/cluster/${name}.test.ts`),
  'test/bench/**/*.test.ts',
  'test/soak/soak.test.ts',
]

/** They measure what their process takes, which is not to be what another file has left in it. */
export const measured = [
  'test/behaviour/runtime/output.test.ts',
  'test/behaviour/gateway/websockets.test.ts',
  'test/unit/proxy/{forward,upgrade}.test.ts',
  'test/security/{content-coding,slow-reader}.test.ts',
  'test/soak/ssh-sessions.test.ts',
]

/** Programs, browsers, long spans of time: each file has a process of its own, beside which those of the others hardly count. */
const heavy = [
  ...freezing,
  ...measured,
  'test/{soak,fuzz,browser}/**/*.test.ts',
  'test/behaviour/{activity,code-server,image,jupyter,laptop}/**/*.test.ts',
  // Days pass in it, second by second: what it takes is the processor, and all of it.
  'test/behaviour/login/{key-ring,session-life}.test.ts',
  // It puts another module in the place of one that all of them load.
  'test/unit/proxy/undici.test.ts',
]

/** Those of them that claim no short times: in CI they go on behind those in a cluster. */
const beside = [
  'test/fuzz/**/*.test.ts',
  'test/browser/{cookies,framing,http2,isolation,login-pages}.test.ts',
  'test/behaviour/{code-server,image}/**/*.test.ts',
  'test/behaviour/laptop/!(install|manifests).test.ts',
  'test/behaviour/jupyter/{events,idle,kernel-and-terminal}.test.ts',
  'test/behaviour/login/{key-ring,session-life}.test.ts',
]

export default defineConfig({
  test: {
    pool: 'forks',
    // On a machine that may be busy. Where a span of time is the claim, the test measures it; one that is given up in the middle of its work would still
    // be at it, in a process that others share.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What comes in the end.
    expect: { poll: { timeout: 10_000 } },
    sequence: { sequencer: SlowestFirst },
    reporters: [
      'default',
      new SkippedSuites(),
      ...(reports ? ['json', new UnhandledErrors(`${reports}/unhandled-errors`)] : []),
    ],
    outputFile: { json: `${reports}/test-report.json` },
    // One after another.
    projects: [
      // More at a time are not done sooner on two cores, which pods and the control plane need as well.
      project('cluster', { order: 0, workers: 2, include: inCluster, exclude: [...freezing, ...alone] }),
      // A third, since many of them wait: for a limit to pass, for a page to be there.
      project('machine', { order: 1, workers: 3, include: heavy, exclude: [...beside, ...alone] }),
      project('beside', { order: 1, workers: 3, include: beside }),
      // At the end of those, in processes that go on from file to file: to start one and to load the whole gateway takes longer than what most do.
      project('together', {
        order: 1,
        workers: 3,
        include: ['test/!(cluster|bench)/**/*.test.ts'],
        exclude: heavy,
        isIsolated: false,
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
  /** Each file has a process of its own, if absent. There is no state in modules that one could leave to the next, but what it took may still be taken. */
  readonly isIsolated?: boolean
}

function project(name: string, { order, workers, include, exclude = [], isIsolated = true }: Project) {
  return {
    extends: true as const,
    test: { name, include, exclude, maxWorkers: workers, isolate: isIsolated, sequence: { groupOrder: order } },
  }
}
