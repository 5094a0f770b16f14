/** What listeners call: leads everything to the gateway of the settings in force. */
import type { Duplex } from 'node:stream'
import type { Gateway } from '#gateway/gateway.ts'
import type { Connection } from '#http/connection.ts'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'

export type Doorway = Pick<Gateway, 'request' | 'upgrade' | 'refused'>

export class Entrance implements Doorway {
  #present: Doorway

  constructor(first: Doorway) {
    this.#present = first
  }

  /** From the next request on. */
  leadTo(gateway: Doorway): void {
    this.#present = gateway
  }

  request(request: ClientRequest, response: ClientResponse, connection: Connection, expectsContinue = false): void {
    this.#present.request(request, response, connection, expectsContinue)
  }

  upgrade(request: ClientRequest, socket: Duplex, head: Buffer, connection: Connection): void {
    this.#present.upgrade(request, socket, head, connection)
  }

  refused(refusal: Parameters<Gateway['refused']>[0]): void {
    this.#present.refused(refusal)
  }
}
