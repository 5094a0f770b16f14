/** Wires agents: which workspaces are reached through theirs, the links that they have here, and how those end. */
import { randomBytes } from 'node:crypto'
import { GatewayError } from '#errors.ts'
import { AgentDoor, type AgentDoorParts } from '#gateway/agent-door.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import { type LinkClosing, linkCodes } from '#link/link-socket.ts'
import { LinkVisits } from '#link/link-visits.ts'
import { Links } from '#link/links.ts'
import type { StreamIndex } from '#live/streams.ts'
import type { ConnectByAgent } from '#runtime/pods/pod-dial.ts'
import type { Settings } from '#settings/settings.ts'
import { paths } from '#surface/urls.ts'
import { consoleOrigin, type Site } from '#workspace/address.ts'
import type { Directory } from '#workspace/directory.ts'
import { linkRoom } from '#workspace/link-holders.ts'
import type { Slots } from '#workspace/slots.ts'
import { openPeers, type Peers, type PeersParts } from './peers.ts'

export interface Agents {
  /** Are the workspaces of this namespace reached through their agents, and in no other way? */
  readonly isFor: (namespace: string) => boolean
  readonly connect: ConnectByAgent
  readonly links: Links
  /** When they came and left. */
  readonly visits: LinkVisits
  /** Whether another replica has links of it. Throws `store_unavailable`. */
  readonly isElsewhere: (instance: string) => Promise<boolean>
  /** How often one pod may come, by its UID. */
  readonly perPod: RateLimiter
  /** The other replicas; absent where there is one alone. */
  readonly peers?: Peers
  /** By which agents tell it from the others; absent as they are. */
  readonly replica?: string
}

/** Two links, which come back when a replica has gone or the network was away. */
const comings = { most: 30, window: 60_000 }
const restarting: LinkClosing = { code: linkCodes.restarting, reason: 'gateway restarting' }
const podGone: LinkClosing = { code: linkCodes.revoked, reason: 'its pod stands for no workspace any more' }
const betweenLooks: Milliseconds = 100

export interface AgentsParts extends Omit<PeersParts, 'peers' | 'links' | 'settings' | 'host'> {
  readonly settings: Pick<Settings, 'agents' | 'sessions'>
  /** Where other replicas reach this one; needed where there are any. */
  readonly host: string | undefined
}

/** `undefined`: no workspace has one. Throws `invalid_settings`, `listen_failed`. */
export async function openAgents(parts: AgentsParts): Promise<Agents | undefined> {
  const { settings, clock, signal, host } = parts
  const namespaces = new Set(settings.agents.namespaces)
  if (namespaces.size === 0) return undefined
  const links = new Links()
  const peers =
    settings.agents.peers && (await openPeers({ ...parts, host: own(host), peers: settings.agents.peers, links }))
  signal.addEventListener('abort', () => links.close(restarting), { once: true })
  return {
    isFor: (namespace) => namespaces.has('*') || namespaces.has(namespace),
    connect: (instance, port, dialling, hold) =>
      peers && !links.has(instance)
        ? peers.open(instance, port, dialling, hold)
        : links.open(instance, port, dialling, hold),
    links,
    visits: new LinkVisits(clock),
    isElsewhere: async (instance) => (await peers?.isElsewhere(instance)) ?? false,
    perPod: new RateLimiter({ ...comings, clock }),
    ...(peers ? { peers, replica: randomBytes(12).toString('base64url') } : {}),
  }
}

function own(host: string | undefined): string {
  if (host) return host
  throw new GatewayError(
    'invalid_settings',
    'agents.peers: GATEHOUSE_POD_IP must say where other replicas reach this one',
  )
}

/** For as long as the directory tells of changes: a link is over with the pod that it came from. */
export function endLinks(links: Links, directory: Pick<Directory, 'subscribe'>): void {
  directory.subscribe(({ before, after }) => {
    const instance = before?.instance?.instanceUid
    if (instance !== undefined && after?.instance?.instanceUid !== instance) links.close(podGone, instance)
  })
}

export interface Leaving extends Disposable {
  /** Nothing moves any more on what other replicas have open here. */
  readonly peersLeft: Promise<void>
}

/**
 * While a replica takes nothing new, from its own clients or from other replicas: a link ends once nothing is on it, and all of them once nothing is under way
 * any more, and agents come back to another one. What other replicas keep open for their next request is not waited for.
 */
export function leaveLinks(
  { links, peers }: { readonly links: Links; readonly peers?: Pick<Peers, 'leave' | 'busy'> },
  streams: Pick<StreamIndex, 'all'>,
  clock: Clock,
): Leaving {
  const left = Promise.withResolvers<void>()
  let timer: Disposable
  peers?.leave()
  if (!peers) left.resolve()
  const look = () => {
    const isBusy = (peers?.busy() ?? 0) > 0
    if (!isBusy) left.resolve()
    if (!isBusy && streams.all().length === 0) links.close(restarting)
    else links.closeIdle(restarting)
    timer = clock.after(betweenLooks, look)
  }
  timer = clock.after(betweenLooks, look)
  return { peersLeft: left.promise, [Symbol.dispose]: () => timer[Symbol.dispose]() }
}

export interface AgentDoorWish extends Pick<AgentDoorParts, 'directory' | 'audit' | 'clock' | 'log'> {
  readonly agents?: Agents
  readonly podTokens?: PodTokens
  readonly site: Site
  readonly slots: Pick<Slots, 'take'>
}

export function agentDoor(wish: AgentDoorWish): AgentDoor | undefined {
  const { agents, podTokens, site, slots } = wish
  if (!agents || !podTokens) return undefined
  const takePlace = (instance: string) => slots.take([linkRoom(instance)])
  const audience = consoleOrigin(site) + paths.agent
  return new AgentDoor({ ...wish, ...agents, podTokens, audience, ...(agents.peers ? { takePlace } : {}) })
}
