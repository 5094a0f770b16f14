/**
 * Follows the one `WorkspaceManager` of this gateway and puts what it says in force; what can't be is refused in its status, and what was in force
 * before still is. Secrets are read by name alone, with every change and every half minute, so that no right to list them is needed.
 */
import { GatewayError, hasCode, messageOf } from '#errors.ts'
import { clientSecretKind } from '#identity/client-secret.ts'
import { keyRingName } from '#identity/key-ring-record.ts'
import { sshAuthorityName } from '#identity/ssh-authority.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { latest } from '#lib/latest.ts'
import { type Reflected, reflect } from '#resources/reflect.ts'
import { clientSecretRefsIn, type Managed, managedSettings } from '#settings/managed.ts'
import type { ClientSecretRef } from '#settings/managed-schema.ts'
import { sayProblem } from '#settings/problem.ts'
import { Secret } from '#settings/secret.ts'
import { type ManagerVerdict, managerKind, statusAfter, type WorkspaceManager } from '#workspace/manager.ts'
import type { Editions } from './editions.ts'
import type { Ground } from './ground.ts'
import type { Tasks } from './tasks.ts'

export interface FollowerParts {
  readonly ground: Ground
  readonly editions: Editions
  readonly tasks: Tasks
}

/** A Secret that was changed alone is noticed by then. */
const lookEvery: Milliseconds = 30_000
/** Somebody waits for one that is not there yet. */
const missingEvery: Milliseconds = 5_000
const retryAfter: Milliseconds = 2_000

type SecretsByRef = ReadonlyMap<string, Secret | string>

export function followManager(parts: FollowerParts): void {
  new ManagerFollower(parts).start()
}

class ManagerFollower {
  readonly #parts: FollowerParts
  readonly #news: ReturnType<typeof latest>
  #manager: WorkspaceManager | undefined
  /** Those of what is in force. */
  #secrets: SecretsByRef = new Map()
  #said = ''
  #timer: Disposable | undefined

  constructor(parts: FollowerParts) {
    this.#parts = parts
    this.#news = latest(parts.ground.signal)
  }

  start(): void {
    const { ground, tasks } = this.#parts
    const { settings, resources, clock } = ground
    const namespace = settings.sessions.stateNamespace
    tasks.run('manager', async (signal) => {
      for await (const fact of reflect(resources, managerKind, { namespace, clock, signal })) this.#take(fact)
    })
    tasks.run('manager-settings', async () => {
      for await (const _ of this.#news) await this.#consider()
      this.#timer?.[Symbol.dispose]()
    })
  }

  #take(fact: Reflected<WorkspaceManager>): void {
    const { managerName } = this.#parts.ground.settings
    const isOurs = ({ metadata }: WorkspaceManager) => metadata.name === managerName
    switch (fact.type) {
      case 'synced':
        this.#become(fact.objects.find(isOurs))
        return
      case 'applied':
        if (isOurs(fact.object)) this.#become(fact.object)
        return
      case 'deleted':
        if (isOurs(fact.object)) this.#become(undefined)
        return
      case 'stale':
        this.#say('warn', `the WorkspaceManager is not being followed: ${messageOf(fact.error)}`)
    }
  }

  #become(manager: WorkspaceManager | undefined): void {
    this.#manager = manager
    if (manager) this.#news.signal()
    else if (this.#parts.editions.front)
      this.#say('warn', 'the WorkspaceManager is gone: what it said last stays in force')
    else this.#say('info', 'waiting for the WorkspaceManager')
  }

  async #consider(): Promise<void> {
    const manager = this.#manager
    if (!manager) return
    try {
      const verdict = await this.#putInForce(manager)
      const { generation } = manager.metadata
      if (verdict.reason === 'InForce')
        this.#say('info', `generation ${generation} of the WorkspaceManager is in force`)
      else this.#say('warn', `generation ${generation} of the WorkspaceManager is refused: ${verdict.message}`)
      await this.#writeStatus(manager, verdict)
      this.#lookAgain(verdict.reason === 'SecretUnusable' ? missingEvery : lookEvery)
    } catch (error) {
      this.#say('warn', `the WorkspaceManager could not be looked at: ${messageOf(error)}`)
      this.#lookAgain(retryAfter)
    }
  }

  async #putInForce(manager: WorkspaceManager): Promise<ManagerVerdict> {
    const { ground, editions } = this.#parts
    const secrets = await this.#readSecrets(clientSecretRefsIn(manager.spec))
    const secretOf = (reference: ClientSecretRef) => secrets.get(refKey(reference)) ?? 'is not known'
    const managed = managedSettings(manager.spec, ground, secretOf)
    if (managed.kind === 'refused') return refusedFor(managed)
    try {
      await editions.apply(managed.edition)
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'invalid_settings') throw error
      return { reason: 'Invalid', message: error.message }
    }
    this.#secrets = secrets
    return { reason: 'InForce', message: '' }
  }

  async #readSecrets(references: readonly ClientSecretRef[]): Promise<SecretsByRef> {
    const read = references.map(async (reference) => [refKey(reference), await this.#readSecret(reference)] as const)
    return new Map(await Promise.all(read))
  }

  /** What is in force stays usable while it can't be read: somebody may have to be locked out meanwhile. */
  async #readSecret({ name, key }: ClientSecretRef): Promise<Secret | string> {
    const { resources, settings } = this.#parts.ground
    // An issuer is sent its client's secret, so whoever may name issuers would read the keys by it.
    if (name === keyRingName || name === sshAuthorityName) return `the Secret ${name} is Gatehouse's own`
    const before = this.#secrets.get(refKey({ name, key }))
    try {
      const namespace = settings.sessions.stateNamespace
      const text = (await resources.get(clientSecretKind, { namespace, name }))?.spec[key]
      if (text !== undefined && text !== '') return new Secret(text.replace(/\r?\n$/, ''))
      return before ?? `there is no key ${key} in a Secret ${name} here`
    } catch (error) {
      if (before !== undefined) return before
      if (!(error instanceof GatewayError) || error.retryable) throw error
      return `the Secret ${name} can't be read: ${error.message}`
    }
  }

  /** Whoever writes it first has written it for all replicas; a newer version is judged on its own. */
  async #writeStatus(manager: WorkspaceManager, verdict: ManagerVerdict): Promise<void> {
    const { resources, clock } = this.#parts.ground
    const status = statusAfter(manager, verdict, new Date(clock.now()).toISOString())
    if (!status) return
    const { uid, resourceVersion } = manager.metadata
    try {
      await resources.patchStatus(managerKind, manager.metadata, { ...status }, { uid, resourceVersion })
    } catch (error) {
      const isOutdated = hasCode(error, 'conflict', 'not_found')
      if (!isOutdated) throw error
    }
  }

  #lookAgain(delay: Milliseconds): void {
    const { clock, signal } = this.#parts.ground
    this.#timer?.[Symbol.dispose]()
    if (!signal.aborted) this.#timer = clock.after(delay, () => this.#news.signal())
  }

  /** Once, however often it is found. */
  #say(level: 'info' | 'warn', message: string): void {
    if (this.#said === message) return
    this.#said = message
    const { log, settings } = this.#parts.ground
    log[level]({ component: 'manager', name: `${settings.sessions.stateNamespace}/${settings.managerName}` }, message)
  }
}

function refusedFor({ problems, forSecretsAlone }: Extract<Managed, { kind: 'refused' }>): ManagerVerdict {
  return { reason: forSecretsAlone ? 'SecretUnusable' : 'Invalid', message: problems.map(sayProblem).join('; ') }
}

function refKey({ name, key }: ClientSecretRef): string {
  return JSON.stringify([name, key])
}
