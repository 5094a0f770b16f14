/** Who claims which address: pods, their nodes, and what this cluster keeps for itself. Says which pods a change concerns. */
import { canonicalAddress } from '#http/ip-address.ts'
import { Multimap } from '#lib/multimap.ts'
import { isInNetworks, type Network } from '#lib/network.ts'
import type { InstanceUid } from '#runtime/contract.ts'
import { isOver, type Pod } from './pod.ts'
import { judgeAddress, type PodAddress } from './pod-address.ts'

/** One reason why addresses are refused in this cluster. */
export interface ReservedAddresses {
  readonly networks: readonly Network[]
  /** Ends a sentence that begins with "Its address": `is the API server's`. */
  readonly why: string
}

type Reserved = { readonly contains: (address: string) => boolean; readonly why: string }

export class PodAddresses {
  /** By address: pods that say it is theirs, and are alive. */
  readonly #claims = new Multimap<string, InstanceUid>()
  /** By address: pods that say it is their node's. */
  readonly #nodes = new Multimap<string, InstanceUid>()
  #reserved: readonly Reserved[] = []

  /** What was reserved before is not any more. Concerns every pod. */
  reserve(reserved: readonly ReservedAddresses[]): void {
    this.#reserved = reserved.map(({ networks, why }) => ({ contains: isInNetworks(networks), why }))
  }

  /** Brings the claims of one pod up to date. Pods other than this one that it concerns. */
  put(before: Pod | undefined, after: Pod | undefined): readonly InstanceUid[] {
    const [from, to] = [claimsOf(before), claimsOf(after)]
    if (from.own === to.own && from.node === to.node) return []
    const touched = new Set([...this.#concerned(from), ...this.#concerned(to)])
    if (before) this.#forget(before.instanceUid, from)
    if (after) this.#claim(after.instanceUid, to)
    for (const uid of [...this.#concerned(from), ...this.#concerned(to)]) touched.add(uid)
    return [...touched]
  }

  /** Where this pod may be reached. */
  judge(pod: Pod): PodAddress {
    const address = judgeAddress(pod.podIP, { refusalOf: (own) => this.#refusalOf(own) })
    return address.kind === 'good' && pod.isOnHostNetwork ? { kind: 'refused', why: "is its node's" } : address
  }

  #refusalOf(address: string): string | undefined {
    const reserved = this.#reserved.find(({ contains }) => contains(address))
    if (reserved) return reserved.why
    if (this.#nodes.has(address)) return "is a node's"
    // One of them has it, and there is no telling which.
    return this.#claims.count(address) > 1 ? 'is claimed by another pod as well' : undefined
  }

  /** Pods that say one of these addresses is theirs. */
  #concerned({ own, node }: Claims): readonly InstanceUid[] {
    return [own, node].flatMap((address) => (address === undefined ? [] : this.#claims.of(address)))
  }

  #claim(uid: InstanceUid, { own, node }: Claims): void {
    if (own !== undefined) this.#claims.add(own, uid)
    if (node !== undefined) this.#nodes.add(node, uid)
  }

  #forget(uid: InstanceUid, { own, node }: Claims): void {
    if (own !== undefined) this.#claims.delete(own, uid)
    if (node !== undefined) this.#nodes.delete(node, uid)
  }
}

interface Claims {
  readonly own: string | undefined
  readonly node: string | undefined
}

/** A pod that has ended, or was told to, has given its address back, or is about to. */
function claimsOf(pod: Pod | undefined): Claims {
  if (!pod) return { own: undefined, node: undefined }
  const isAlive = !pod.isTerminating && !isOver(pod)
  return { own: isAlive ? canonicalAddress(pod.podIP) : undefined, node: canonicalAddress(pod.hostIP) }
}
