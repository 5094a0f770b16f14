/** Interim answers on their way to the client (RFC 9110 section 15.2). */
import type { ClientResponse } from '#http/messages.ts'
import type { ResponseHeads, ResponsePolicy } from '#http/response-fields.ts'
import type { ResponseHead } from './response-head.ts'

/** Any 1xx but 100, which answers the client's own question, and 101, which ends HTTP. In its turn where requests were pipelined. */
export function relayInterim(
  response: ClientResponse,
  { status, headers }: ResponseHead,
  responseHeads: ResponseHeads,
  policy: ResponsePolicy,
): void {
  const { fields } = responseHeads.build({ status, headers, isChunked: false }, policy)
  response.writeInformation(status, fields)
}
