/** Wires what is known of workspaces: watches feed the directory, the prober says what is ready, shares get their verdict. */
import { messageOf } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Resources } from '#resources/contract.ts'
import { reflect } from '#resources/reflect.ts'
import type { Instances } from '#runtime/contract.ts'
import type { Settings } from '#settings/settings.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { placeOf, type Site } from '#workspace/address.ts'
import { Directory } from '#workspace/directory.ts'
import type { Dial } from '#workspace/probe.ts'
import { Prober } from '#workspace/prober.ts'
import { joinProber } from '#workspace/probing.ts'
import { shareKind, type WorkspaceShare } from '#workspace/share.ts'
import type { Authorship } from '#workspace/share-acceptance.ts'
import { ShareJudge } from '#workspace/share-judge.ts'
import { type Workspace, workspaceKind } from '#workspace/workspace.ts'
import type { Tasks } from './tasks.ts'

export interface WorkspacesParts {
  readonly settings: Settings
  /** Of the settings in force. */
  readonly site: () => Site
  readonly resources: Resources
  readonly runtime: Instances
  /** Connects to an endpoint of an instance, as far as this machine may. */
  readonly dial: Dial
  /** Whose word a share is that was not made through Gatehouse. */
  readonly authorshipOf: (share: WorkspaceShare) => Authorship | undefined
  readonly tasks: Tasks
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'watchInterruptions'>
  readonly signal: AbortSignal
}

export interface Workspaces {
  readonly directory: Directory
  readonly prober: Prober
  /** From here on they are watched. Once. */
  follow(): void
}

export function openWorkspaces(parts: WorkspacesParts): Workspaces {
  const { settings, site, dial, clock, log, signal } = parts
  const probe = { ...settings.probe, startTimeout: settings.start.timeout }
  const publicPath = (ref: WorkspaceRef, port: number | undefined) => placeOf(site(), ref, port).prefix
  const prober = new Prober({ dial, settings: probe, publicPath, clock, log, signal })
  const directory = new Directory({
    clock,
    serves: (workspace) => isServed(workspace, settings),
    readinessOf: (instance, ports) => prober.readinessOf(instance, ports),
  })
  const joined = joinProber(prober, directory)
  signal.addEventListener('abort', () => joined[Symbol.dispose](), { once: true })
  return { directory, prober, follow: () => follow(parts, directory) }
}

/** One that names no manager is everybody's who has only one. */
function isServed(workspace: Workspace, { managerName, cluster }: Settings): boolean {
  const named = workspace.spec.managerRef?.name
  return named === undefined ? cluster.servesUnclaimed : named === managerName
}

function follow(parts: WorkspacesParts, directory: Directory): void {
  const { resources, runtime, tasks, clock, log, metrics } = parts
  const onInterruption = (kind: string) => metrics.watchInterruptions(kind).add()
  const judge = new ShareJudge({ ...parts, serves: (workspace) => isServed(workspace, parts.settings) })
  tasks.run('workspaces', async (signal) => {
    for await (const event of reflect(resources, workspaceKind, { clock, signal, onInterruption })) {
      if (event.type === 'stale')
        log.warn({ kind: 'Workspace', reason: messageOf(event.error) }, 'a watch was interrupted')
      directory.applyWorkspaces(event)
    }
  })
  tasks.run('shares', async (signal) => {
    for await (const event of reflect(resources, shareKind, { clock, signal, onInterruption })) {
      if (event.type === 'stale')
        log.warn({ kind: 'WorkspaceShare', reason: messageOf(event.error) }, 'a watch was interrupted')
      directory.applyShares(event)
      judge.apply(event)
    }
  })
  directory.subscribe((change) => judge.workspaceChanged(change))
  tasks.run('instances', async (signal) => {
    for await (const event of runtime.instances(signal)) directory.applyInstances(event)
  })
}
