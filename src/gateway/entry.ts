/** What comes in by a listener. */
import type { Connection } from '#http/connection.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'

/** On either transport; an upgrade has no response. */
export interface Entry {
  readonly request: ClientRequest
  readonly response: ClientResponse | undefined
  readonly connection: Connection
  readonly expectsContinue: boolean
}

/** What a listener says of what it refused by itself. */
export interface ListenerRefusal {
  readonly code: string
  readonly requestId: string | undefined
  readonly peer: string | undefined
}
