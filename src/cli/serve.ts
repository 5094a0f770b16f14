/**
 * `gatehouse serve`: the gateway of a cluster. It logs to its standard output, the audit trail included: lines of the log have a `level`,
 * those of the audit trail an `event`.
 */

import { type StopSignal, stopWishes } from '#cli/demo-parts/stop-wishes.ts'
import type { Clock } from '#lib/clock.ts'
import { type Audit, createAudit } from '#observe/audit.ts'
import { createLog, type Log } from '#observe/log.ts'
import type { LineOutput } from '#observe/output.ts'
import { insecureChoices } from '#settings/insecure.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import type { CommandIo } from './check-config.ts'
import { type FaceIo, runFace } from './face.ts'
import { type FaultKind, watchFaults } from './faults.ts'

export interface ClusterWish {
  readonly settings: Settings
  readonly secrets: Secrets
  /** Where the API server is, for a pod: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
  readonly env: CommandIo['env']
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  /** Of log and audit trail, that could not be written so far. */
  readonly lostLines: () => number
  /** That nobody caught, so far. */
  readonly faults: () => ReadonlyMap<FaultKind, number>
  readonly signal: AbortSignal
}

export interface ServeIo extends FaceIo {
  readonly clock: Clock
  /** Opens it for lines, which are written in the background: who reads them may stop reading. */
  readonly openStandardOutput: () => LineOutput
  readonly openCluster: (
    wish: ClusterWish,
  ) => Promise<{ drain(impatient: AbortSignal): Promise<void>; readonly ended: Promise<void> }>
  readonly onSignal: (handle: (name: StopSignal) => void) => Disposable
}

/** The exit code: 0 after an orderly end, 1 when it can't begin or ended by a fault, 2 when the command was not understood. */
export function serve(args: readonly string[], io: ServeIo): Promise<number> {
  return runFace('serve', args, io, (settings, secrets) => run(settings, secrets, io))
}

async function run(settings: Settings, secrets: Secrets, io: ServeIo): Promise<number> {
  const { clock, env } = io
  await using output = io.openStandardOutput()
  const log = createLog({ level: settings.log.level, clock, sink: output })
  using audit = createAudit({ sink: output, clock })
  for (const { name, meaning } of insecureChoices(settings)) log.warn({ setting: name }, meaning)
  using stopping = stopWishes(io.onSignal)
  using faults = watchFaults(io, log, stopping)
  const ending = new AbortController()
  const signal = AbortSignal.any([ending.signal, stopping.beforeReady])
  const observing = { log, audit, lostLines: () => output.lost, faults: faults.counts }
  const opened = await io
    .openCluster({ settings, secrets, env, clock, ...observing, signal })
    .catch((error: unknown) => {
      if (!stopping.beforeReady.aborted) throw error
      return undefined
    })
  if (opened === undefined) return stopping.earlyExitCode()
  stopping.isReady()
  await stopping.asked
  log.info({}, 'stopping: requests in flight may finish, sockets are told to come back')
  await opened.drain(stopping.impatient)
  ending.abort()
  await opened.ended
  return stopping.exitCode()
}
