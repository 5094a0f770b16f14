/** One request for a place of a workspace, as it passes from reading to the decision and to whoever carries it out. */
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import type { RequestHead } from '#http/request-head.ts'
import type { RequestMemory } from '#http/request-memory.ts'
import type { Authentication } from '#identity/authentication.ts'
import type { Timestamp } from '#lib/clock.ts'
import type { Place } from './target.ts'

/** Where a request came from, and how it is called in the logs. */
export interface Origin {
  readonly requestId: string
  /** The client's address, through trusted hops only. */
  readonly client: string
}

/** Answers one request for `<domain>`. `expectsContinue`: the client waits for `100 Continue`, which is the surface's to send. */
export type OwnSurface = (
  request: ClientRequest,
  response: ClientResponse,
  origin: Origin,
  expectsContinue: boolean,
) => void

/** One request for a place of a workspace, on its way to a decision. */
export interface Visit extends Origin {
  readonly request: ClientRequest
  readonly head: RequestHead
  /** Of its connection. */
  readonly memory: RequestMemory | undefined
  readonly place: Place
  readonly isUpgrade: boolean
  /** Who it is, when memory alone could tell as it came in. */
  readonly known: Authentication | undefined
  /** When its head was here. */
  readonly began: Timestamp
  /** The client waits for `100 Continue`. */
  readonly expectsContinue: boolean
  /** Its Authorization field is a token of ours, which is nobody else's to see. */
  readonly isBearer: boolean
}

/**
 * Who has left while he waited says so no second time: what was begun for him would never end. Behind a handshake nobody reads, so that its client
 * is seen to leave by the end of what it says alone, and its connection has to be closed from here.
 */
export function hasLeft({ request: { socket }, isUpgrade }: Visit): boolean {
  if (isUpgrade && socket.readableEnded) socket.destroy()
  return socket.destroyed
}
