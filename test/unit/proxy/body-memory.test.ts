/** A body's pieces are given back when they have been written to the upstream, by length and in chunks. */
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { endToEnd, RequestHeads } from '#http/end-to-end.ts'
import { ownFields } from '#http/own-fields.ts'
import { systemClock } from '#lib/clock.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import type { ResponseListener, UpstreamCall } from '#proxy/upstream-client.ts'
import { dialPort, httpUpstream, isOwnCookie } from './proxy-world.ts'

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** As they come out of a request: each with memory of its own. */
function pieces(): Buffer[] {
  return Array.from({ length: 120 }, (_, at) => {
    const bytes = Buffer.allocUnsafeSlow(at % 3 === 0 ? 1_000 : 65_536)
    randomBytes(bytes.length).copy(bytes)
    return bytes
  })
}

for (const kind of ['length', 'chunked'] as const) {
  test(`by ${kind}`, async () => {
    const came = Promise.withResolvers<string>()
    await using upstream = await httpUpstream(async (incoming, response) => {
      came.resolve(digest(await read(incoming)))
      response.end()
    })
    const ending = new AbortController()
    using _end = { [Symbol.dispose]: () => ending.abort() }
    const client = new KeepAliveClient({ clock: systemClock, signal: ending.signal })
    const body = pieces()
    const said = digest(Buffer.concat(body))
    const lengths = body.map(({ length }) => length)
    const length = lengths.reduce((sum, one) => sum + one, 0)
    const field = kind === 'length' ? ['Content-Length', String(length)] : ['Transfer-Encoding', 'chunked']
    const rawHeaders = ['Host', 'a', ...field]
    const { lines, framing } = new RequestHeads(isOwnCookie).build({ rawHeaders, isAuthorizationOurs: false })
    const ready = Promise.withResolvers<UpstreamCall>()
    const ended = Promise.withResolvers<void>()
    const listener: ResponseListener = {
      onReady: ready.resolve,
      onEnd: () => ended.resolve(),
      onFailure: ended.reject,
      ...{ onDrain() {}, onInterim() {}, onHead() {}, onSwitch() {}, onBody() {}, onLull() {} },
    }
    const request = { method: 'PUT', target: '/', lines, own: ownFields([]), framing }
    const flags = { acceptsTrailers: false, expectsContinue: false, isUpgrade: false }
    client.start({ key: 'one', dial: dialPort(upstream.port) }, { ...request, ...flags }, listener)
    const call = await ready.promise
    for (const piece of body) call.write(piece)
    call.end(endToEnd([]))
    expect(await came.promise).toBe(said)
    await ended.promise
    const left = body.map(({ buffer }) => buffer.byteLength)
    expect(left).toEqual(lengths.map((one) => (one < 16_384 ? one : 0)))
  })
}
