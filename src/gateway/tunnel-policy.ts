/** What a tunnel needs beside a grant: a kind that is offered, a port that it may lead to, and a workspace that is fit for it. Pure. */
import type { ConnectionSettings } from '#settings/settings.ts'
import { boundsOf, memoryOf, portForward, tunnelPort } from '#workspace/connections.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import type { TunnelAim } from './target.ts'

/** What the administrator decides about tunnels. */
export interface TunnelPolicy {
  readonly connections: readonly ConnectionSettings[]
  /** As `sshPortsOf` has them. */
  readonly sshPorts: ReadonlySet<number>
  /** SSH is reached at the port of a pod, without an agent. */
  readonly insecureDirectSsh: boolean
  /** Are the workspaces of this namespace reached through agents? */
  readonly isByAgent: (namespace: string) => boolean
}

interface Unmet {
  readonly reason: 'connection-type-not-configured' | 'agent-needed' | 'memory-too-small' | 'instance-changed'
  readonly status: 400 | 409 | 424
  readonly detail: string
}

/** Where tunnels of this kind lead; as {@link tunnelPort}. */
export function portOfTunnel(
  { connections, sshPorts }: TunnelPolicy,
  { ports }: Pick<WorkspaceEntry, 'ports'>,
  connectionType: string,
  wanted: number | undefined,
): WorkspacePort | undefined {
  const bounds = boundsOf(connections, connectionType)
  return bounds && tunnelPort(ports, { connectionType, wanted }, bounds, sshPorts)
}

/** Why it is not opened, to somebody who is permitted to. */
export function unmetByTunnel(
  policy: TunnelPolicy,
  entry: WorkspaceEntry,
  aim: TunnelAim | undefined,
): Unmet | undefined {
  if (!aim) return undefined
  const { connectionType, instance } = aim
  const bounds = boundsOf(policy.connections, connectionType)
  if (!bounds) return { reason: 'connection-type-not-configured', status: 400, detail: '' }
  if (connectionType !== portForward && !policy.insecureDirectSsh && !policy.isByAgent(entry.ref.namespace))
    return { reason: 'agent-needed', status: 424, detail: '' }
  const memory = memoryOf(entry.workspace)
  if (memory !== undefined && memory < bounds.minMemory) {
    // Rounded apart, so that what is too little does not look like enough.
    const [has, needs] = [gibibytes(memory, Math.floor), gibibytes(bounds.minMemory, Math.ceil)]
    const detail = `It has ${has} GiB; ${connectionType} needs ${needs} GiB.`
    return { reason: 'memory-too-small', status: 424, detail }
  }
  if (instance !== undefined && entry.instance && entry.instance.instanceUid !== instance)
    return { reason: 'instance-changed', status: 409, detail: '' }
  return undefined
}

function gibibytes(bytes: number, round: (hundredths: number) => number): string {
  return String(round((bytes / 2 ** 30) * 100) / 100)
}
