/** Stands where the gateway will be once its settings are known: nothing is decided, looked up or forwarded, and everybody is told so. */
import type { Duplex } from 'node:stream'
import type { ClientRequest, ClientResponse } from '#http/messages.ts'
import { rawAnswer } from '#proxy/raw-answer.ts'
import type { Problem } from '#surface/problem.ts'
import { comeAgain, type RenderPage, type Reply, refusal, sendReply } from './reply.ts'

export interface UnsettledParts {
  readonly renderPage: RenderPage
  readonly nextRequestId: () => string
}

/** Says nothing of what is awaited: anybody may read it. */
const unsettled: Problem = {
  code: 'manager_unknown',
  status: 503,
  title: 'This Gatehouse is not set up yet.',
  detail: 'It waits for the settings that whoever runs it has to give it.',
}

export class Unsettled {
  readonly #parts: UnsettledParts

  constructor(parts: UnsettledParts) {
    this.#parts = parts
  }

  request(request: ClientRequest, response: ClientResponse): void {
    sendReply(response, this.#reply(request.headers['sec-fetch-mode'] === 'navigate'))
  }

  upgrade(_request: ClientRequest, socket: Duplex): void {
    rawAnswer(socket, this.#reply(false))
  }

  /** A listener refused something by itself: of nobody's concern yet. */
  refused(): void {}

  #reply(navigation: boolean): Reply {
    const { renderPage, nextRequestId } = this.#parts
    const reader = { navigation, requestId: nextRequestId(), renderPage }
    return refusal(unsettled, reader, comeAgain(5))
  }
}
