/** `gatehouse demo` (`npm start`): everything on one machine, for trying out and for work on Gatehouse itself. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { findPrograms } from '#cli/demo-parts/programs.ts'
import { type StopSignal, stopWishes } from '#cli/demo-parts/stop-wishes.ts'
import type { Clock } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog, type Log } from '#observe/log.ts'
import { openOutput } from '#observe/output.ts'
import type { LocalPrograms } from '#operator/apps.ts'
import type { Environment } from '#settings/environment.ts'
import { insecureChoices } from '#settings/insecure.ts'
import type { Secret } from '#settings/secret.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import { type FaceIo, runFace } from './face.ts'
import { type FaultKind, watchFaults } from './faults.ts'
import { demoPassword } from './password.ts'

export interface LaptopWish {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly password: Secret
  readonly programs: LocalPrograms
  readonly env: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
  /** Of log and audit trail, that could not be written so far. */
  readonly lostLines: () => number
  /** That nobody caught, so far. */
  readonly faults: () => ReadonlyMap<FaultKind, number>
  readonly audit: ReturnType<typeof createAudit>
  readonly signal: AbortSignal
}

export interface DemoIo extends FaceIo {
  readonly clock: Clock
  readonly userId: number | undefined
  readonly openLaptop: (
    wish: LaptopWish,
  ) => Promise<{ drain(impatient: AbortSignal): Promise<void>; readonly ended: Promise<void> }>
  readonly onSignal: (handle: (name: StopSignal) => void) => Disposable
}

/** 15 MiB in all. */
const logKeeps = { limit: 5 * 1024 * 1024, older: 2 }
/** 100 MiB in all: what somebody may have to account for is asked about late. */
const auditKeeps = { limit: 10 * 1024 * 1024, older: 9 }

export function demo(args: readonly string[], io: DemoIo): Promise<number> {
  return runFace('demo', args, io, (settings, secrets) => run(settings, secrets, io))
}

async function run(settings: Settings, secrets: Secrets, io: DemoIo): Promise<number> {
  const { clock } = io
  const { home } = settings
  await mkdir(home, { recursive: true, mode: 0o700 })
  using stopping = stopWishes(io.onSignal)
  await using logOutput = openOutput({ path: join(home, 'logs', 'gatehouse.log'), ...logKeeps }, clock)
  await using auditOutput = openOutput({ path: join(home, 'logs', 'audit.log'), ...auditKeeps }, clock)
  const log = createLog({ level: settings.log.level, clock, sink: logOutput })
  using audit = createAudit({ sink: auditOutput, clock })
  using faults = watchFaults(io, log, stopping)
  for (const { name, meaning } of insecureChoices(settings)) {
    log.warn({ setting: name }, meaning)
    io.stderr.write(`warning: ${name}: ${meaning}\n`)
  }
  const say = (line: string) => void io.stdout.write(`${line}\n`)
  const password = await demoPassword(home, secrets.demoPassword)
  const ending = new AbortController()
  const signal = AbortSignal.any([ending.signal, stopping.beforeReady])
  const lostLines = () => logOutput.lost + auditOutput.lost
  const start = async () => {
    const programs = await findPrograms({ settings, env: io.env, userId: io.userId, say, clock, signal })
    const observing = { log, audit, lostLines, faults: faults.counts }
    return io.openLaptop({ settings, secrets, password, programs, env: definedIn(io.env), clock, ...observing, signal })
  }
  const laptop = await start().catch((error: unknown) => {
    if (!stopping.beforeReady.aborted) throw error
    return undefined
  })
  if (laptop === undefined) {
    say('Stopped before it was ready.')
    return stopping.earlyExitCode()
  }
  stopping.isReady()
  say(greeting(settings, secrets.demoPassword === undefined ? password.reveal() : undefined))
  await stopping.asked
  say('Stopping: open requests may finish, workspaces are ended. Ctrl-C again: at once.')
  await laptop.drain(stopping.impatient)
  ending.abort()
  await laptop.ended
  return stopping.exitCode()
}

function definedIn(env: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

/** `password`: only one that was made here; who chose it knows it. */
function greeting(settings: Settings, password: string | undefined): string {
  const { domain, external, demo: folder } = settings
  return `
  Gatehouse is ready.

    open        ${external.scheme}://${domain}:${external.port}
    people      alice, bob, carol (group admins), dave (group ds)
    password    ${password ?? 'the one in GATEHOUSE_DEMO_PASSWORD'}
    workspaces  ${folder.manifests}  (edit a file: it counts within a second)
    state       ${settings.home}

  Workspaces run as your own user and are not isolated from each other here.
  Stop with Ctrl-C.
`
}
