/** Wires what replicas are to one another where agents are: each leads the others to the links that it has. */
import type { Duplex } from 'node:stream'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { type Links, noAgent } from '#link/links.ts'
import type { PeerAddress } from '#link/peer-connection.ts'
import { followPeerCredentials, readPeerCredentials } from '#link/peer-credentials.ts'
import { dialPeer, type PeerDialled } from '#link/peer-dial.ts'
import { PeerEnds } from '#link/peer-ends.ts'
import { listenForPeers } from '#link/peer-listener.ts'
import { PeerTurns } from '#link/peer-turns.ts'
import type { Log } from '#observe/log.ts'
import type { Resources } from '#resources/contract.ts'
import type { HoldWish } from '#resume/hold.ts'
import type { PeerSettings, Settings } from '#settings/settings.ts'
import { LinkHolders } from '#workspace/link-holders.ts'

export interface PeersParts {
  readonly settings: Pick<Settings, 'sessions'>
  readonly peers: PeerSettings
  readonly links: Links
  readonly resources: Pick<Resources, 'get'>
  /** Where this replica is reached by the others. */
  readonly host: string
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export interface Peers {
  /** Of this replica, for the others. */
  readonly address: string
  /** Through a link that another replica has. Throws `upstream_unreachable`, `store_unavailable`. */
  open(instance: string, port: number, signal: AbortSignal, hold?: HoldWish): Promise<Duplex>
  /** Whether another replica has links of it, as the store has it. Throws `store_unavailable`. */
  isElsewhere(instance: string): Promise<boolean>
  /** Other replicas are sent elsewhere from now on. */
  leave(): void
  /** Their connections on which something has moved lately. To be asked again and again. */
  busy(): number
  /** After the signal. */
  readonly ended: Promise<void>
}

/** Of a replica that may be gone, whose address answers nothing at all. */
const longestAnswer: Milliseconds = 2_000

/** Throws `invalid_settings` where the files can't be used, and `listen_failed`. */
export async function openPeers(parts: PeersParts): Promise<Peers> {
  const { settings, peers, links, resources, host, clock, log, signal } = parts
  let credentials = await readPeerCredentials(peers).catch((cause: unknown) => {
    throw new GatewayError('invalid_settings', `agents.peers: ${messageOf(cause)}`, { cause })
  })
  const listener = await listenForPeers({
    ...{ port: peers.port, credentials, links, clock },
    onRefused: (reason, client) =>
      log.warnOfMany({ component: 'peers', reason, client }, 'somebody who is no replica was turned away'),
  })
  const following = followPeerCredentials(peers, credentials, { clock, signal }, (changed) => {
    try {
      listener.use(changed)
      credentials = changed
    } catch (error) {
      log.warn({ component: 'peers', error }, 'a new certificate for replicas is no good; the one before is in use')
    }
  })
  const address = `${host}:${listener.port}`
  const turns = new PeerTurns()
  const ends = new PeerEnds()
  const holders = new LinkHolders({ resources, clock, namespace: settings.sessions.stateNamespace })
  const learn = (instance: string, other: string, dialled: PeerDialled) => {
    holders.note(other, dialled.kind !== 'unreachable')
    if (dialled.kind === 'away') holders.forget(instance)
    if (dialled.kind !== 'unreachable') return
    log.warnOfMany({ component: 'peers', reason: messageOf(dialled.why) }, 'another replica was not reached')
  }
  return {
    address,
    isElsewhere: async (instance) => (await holders.find(instance)).some((one) => one !== address),
    leave: () => listener.leave(),
    busy: () => listener.busy(),
    async open(instance, port, asking, hold) {
      const others = (await holders.find(instance)).filter((one) => one !== address)
      // A replica that has it no more, or is gone, is no word about the port: another one may have it.
      for (const other of others) {
        using deadline = deadlineOf(clock, longestAnswer, asking)
        const dialling = { credentials, turns, signal: deadline.signal }
        const asked = { instance, port, hold }
        const dialled = await (hold?.aim === 'end'
          ? ends.tell(addressIn(other), asked, dialling)
          : dialPeer(addressIn(other), asked, dialling))
        // Whoever gave up has found out nothing.
        if (!asking.aborted) learn(instance, other, dialled)
        if (dialled.kind === 'open') return dialled.socket
      }
      throw noAgent()
    },
    ended: following.then(() => listener[Symbol.asyncDispose]()),
  }
}

/** An IPv6 address has colons of its own: the port is behind the last one. */
function addressIn(text: string): PeerAddress {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}
