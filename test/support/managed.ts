/** A WorkspaceManager for a world, and changes of it. */

import type { Ground } from '#compose/ground.ts'
import { clientSecretKind } from '#identity/client-secret.ts'
import type { MergePatch } from '#resources/contract.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import { managerKind, type WorkspaceManager } from '#workspace/manager.ts'

type ManagedGround = Pick<Ground, 'resources' | 'settings'> & { readonly secrets: Secrets }

/** What is left for a settings file to say when the manager says the rest. */
export function unmanaged(settings: Settings): Settings {
  return {
    ...settings,
    domain: 'gatehouse.invalid',
    routing: { mode: 'host' },
    oidc: [],
    administrators: { groups: [], users: [] },
    locked: [],
    insecure: ['insecureHttpIssuer'],
  }
}

/** The manager's spec for these settings, its issuers' secrets being keys of the Secret `oidc`. */
export function managerSpecOf(settings: Settings): Record<string, unknown> {
  return {
    domain: settings.domain,
    routing: { mode: settings.routing.mode },
    administrators: settings.administrators,
    oidc: settings.oidc.map(({ caFile: _, isHttpAllowed: __, ...issuer }) => ({
      ...issuer,
      clientSecretRef: { name: 'oidc', key: issuer.id },
    })),
  }
}

export async function createManager(
  { resources, settings, secrets }: ManagedGround,
  whole: Settings,
  more: Readonly<Record<string, unknown>>,
): Promise<void> {
  const namespace = settings.sessions.stateNamespace
  const texts = Object.fromEntries([...secrets.clientSecrets].map(([id, secret]) => [id, secret.reveal()]))
  await resources.create(clientSecretKind, { metadata: { namespace, name: 'oidc' }, spec: texts })
  const spec = { ...managerSpecOf(whole), ...more }
  await resources.create(managerKind, { metadata: { namespace, name: settings.managerName }, spec })
}

export interface Managing {
  /** As `kubectl patch --type merge`: resolves when the gateway has given its verdict. */
  change(patch: MergePatch): Promise<Verdict>
  manager(): Promise<WorkspaceManager>
}

export interface Verdict {
  readonly status: string
  readonly reason: string
  readonly message: string
}

interface ManagedWorld {
  readonly resources: Ground['resources']
  until(isTrue: () => Promise<boolean>, what: string): Promise<void>
}

export function managing({ resources, until }: ManagedWorld, name = 'gatehouse'): Managing {
  const at = { namespace: 'gatehouse', name }
  const manager = async () => {
    const found = await resources.get(managerKind, at)
    if (!found) throw new Error('there is no manager')
    return found
  }
  return {
    manager,
    async change(patch) {
      const { metadata } = await resources.patchSpec(managerKind, at, patch)
      const isJudged = async () => (await manager()).status.observedGeneration === metadata.generation
      await until(isJudged, 'a verdict on the manager')
      const accepted = (await manager()).status.conditions.find(({ type }) => type === 'Accepted')
      if (!accepted) throw new Error('no verdict')
      const { status, reason, message } = accepted
      return { status, reason, message }
    },
  }
}
