/**
 * A route is a port of an instance at its address. When it is over, because the instance ends, is gone or has another address, its connections
 * are closed and never used again: an address may be another workspace's the next moment.
 */
import { readPart } from '#gateway/part.ts'
import type { EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import type { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import type { Upstream } from '#proxy/upstream.ts'
import type { Endpoint, Endpoints, Instance } from '#runtime/contract.ts'
import { isSameEndpoint } from '#runtime/endpoint.ts'
import { webUi } from '#workspace/connections.ts'
import type { Directory, WorkspaceEntry } from '#workspace/directory.ts'
import type { Dial } from '#workspace/probe.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'

const restarting: EndReason = {
  ...{ code: 1012, reason: 'workspace restarting' },
  ofTunnel: { code: 1011, reason: 'what ran of the workspace is gone' },
}

/** Connections to one port of one instance. */
export function upstreamBy(dial: Dial) {
  return (instance: Instance, port: number, endpoint: Endpoint): Upstream => ({
    key: routeKey(instance, port),
    dial: (signal, reading, hold) => dial(endpoint, signal, reading, hold),
  })
}

function routeKey({ instanceUid }: Instance, port: number): string {
  return `${instanceUid}:${port}`
}

export interface RouteParts {
  readonly directory: Directory
  readonly client: Pick<KeepAliveClient, 'forget'>
  readonly streams: StreamIndex
}

/** For as long as the directory tells of changes. */
export function forgetEndedRoutes({ directory, client, streams }: RouteParts): void {
  directory.subscribe(({ before, after }) => {
    if (!before?.instance) return
    const { instance } = before
    const isGone = after?.instance?.instanceUid !== instance.instanceUid
    const ended = endedPorts(before.ports, instance.endpoints, isGone ? undefined : after)
    for (const port of ended) client.forget(routeKey(instance, port))
    // Those of a workspace that is deleted or wanted no more are told so by who ends them.
    if (after?.uid !== before.uid) return
    const groups = streams.ofWorkspace(before.uid)
    if (ended.length > 0) endStreams(groups, ended, isGone)
    endTunnels(groups, instance.endpoints, isGone ? undefined : after.instance?.endpoints)
  })
}

/** Ports that were reached, and are not any more or elsewhere. */
function endedPorts(
  ports: readonly WorkspacePort[],
  endpoints: Endpoints,
  after: WorkspaceEntry | undefined,
): readonly number[] {
  const now = (port: number) =>
    after?.ports.some((candidate) => candidate.port === port) ? after.instance?.endpoints.get(port) : undefined
  return ports
    .map(({ port }) => port)
    .filter((port) => !isSameEndpoint(endpoints.get(port), now(port)) && endpoints.get(port) !== undefined)
}

/** Their ports need not be declared. */
function endTunnels(groups: readonly StreamGroup[], before: Endpoints, after: Endpoints | undefined): void {
  for (const group of groups) {
    const { port, connectionType } = readPart(group.key.part)
    if (connectionType === webUi || isSameEndpoint(before.get(port), after?.get(port))) continue
    group.end(restarting)
  }
}

function endStreams(groups: readonly StreamGroup[], ports: readonly number[], isGone: boolean): void {
  const parts = new Set(ports.map(String))
  for (const group of groups.filter(({ key }) => parts.has(key.part))) {
    // What a pod that was told to end is still about to answer, it may.
    if (isGone) group.end(restarting)
    else group.endLasting(restarting)
  }
}
