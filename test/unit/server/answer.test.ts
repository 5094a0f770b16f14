import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { ClientResponse } from '#http/messages.ts'
import { ResponseHeads } from '#http/response-fields.ts'
import { answersOf } from '#server/answer.ts'

const policy = {
  ...{ publicAuthority: 'nb.example.com', hostname: 'nb.example.com', publicPrefix: '/', upstreamPrefix: '/' },
  isOwnCookie: () => false,
}
const date = ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT']
const usual = [
  'Content-Type',
  'text/plain',
  ...date,
  'Set-Cookie',
  'a=1',
  'set-cookie',
  'b=\xe9',
  'content-length',
  '2',
]

interface Case {
  readonly requests: string
  readonly status?: number
  readonly headers?: readonly string[]
  readonly keepAlive?: number
  readonly prepare?: (response: ClientResponse) => void
  readonly body?: (response: ClientResponse) => void
}

interface Answered {
  /** What stood on the wire, until the server closed. */
  readonly wire: string
  /** Of each answer, whether it went the short way; `undefined`: there was none. */
  readonly ways: readonly (boolean | undefined)[]
}

async function answered(isOurs: boolean, one: Case): Promise<Answered> {
  const { status = 200, headers = usual, keepAlive = 5_000, body = (response) => void response.end('ok') } = one
  const { fields, lines } = new ResponseHeads().build({ status, headers, isChunked: false }, policy)
  const ways: (boolean | undefined)[] = []
  const ServerResponse = isOurs ? { ServerResponse: answersOf(keepAlive) } : {}
  const server = createServer({ keepAliveTimeout: keepAlive, ...ServerResponse })
  const answer = (response: ClientResponse) => {
    one.prepare?.(response)
    const way = lines === undefined ? undefined : response.writeWhole?.(status, lines)
    ways.push(way)
    if (way !== true) response.writeHead(status, fields)
    expect([response.headersSent, response.statusCode]).toEqual([true, status])
    body(response)
  }
  server
    .on('request', (_request, response) => answer(response))
    .on('checkContinue', (_request, response) => answer(response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const socket = connect({ host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 })
  socket.setEncoding('latin1').write(one.requests, 'latin1')
  const wire = await textOf(socket)
  server.close()
  return { wire, ways }
}

const ask = (method: string, fields = '', version = '1.1') => `${method} / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`
const last = ask('GET', 'Connection: close\r\n')

function inTwo(response: ClientResponse): void {
  response.write('o')
  response.end('k')
}

function behindHead(response: ClientResponse): void {
  response.flushHeaders()
  response.end(Buffer.from('ok'))
}

describe('an answer', () => {
  test('whose head is written out already goes over the wire as Node would have written it', async () => {
    const cases: readonly Case[] = [
      { requests: ask('GET') + last },
      { requests: `${ask('POST', 'Content-Length: 1\r\n')}x${last}`, status: 404 },
      { requests: ask('GET') + ask('GET') + last, status: 599, keepAlive: 61_500 },
      {
        requests: ask('GET') + last,
        headers: [...date, 'Content-Length', '0'],
        body: (response) => void response.end(),
      },
      { requests: ask('GET') + last, body: inTwo },
      {
        requests: ask('GET') + last,
        body: behindHead,
      },
      { requests: ask('GET') + last, body: (response) => void response.end('o\xe9', 'latin1') },
    ]
    for (const one of cases) {
      const ours = await answered(true, one)
      expect(ours.wire).toBe((await answered(false, one)).wire)
      // The last one says that the connection ends, which is Node's to write.
      expect(ours.ways).toEqual([...ours.ways.slice(1).map(() => true), false])
    }
  })

  test('that is not as most are is left to Node', async () => {
    const two = ask('GET') + last
    const cases: readonly Case[] = [
      { requests: ask('HEAD') + last },
      { requests: ask('GET', 'Connection: keep-alive\r\n', '1.0') + last },
      { requests: ask('GET', 'Expect: 100-continue\r\n') + last },
      { requests: two, status: 204, headers: date, body: (response) => void response.end() },
      { requests: two, status: 304, body: (response) => void response.end() },
      { requests: two, headers: date },
      { requests: two, headers: ['Content-Length', '2'] },
      { requests: ask('GET'), prepare: (response) => void Object.assign(response, { shouldKeepAlive: false }) },
    ]
    for (const one of cases) {
      const ours = await answered(true, one)
      const nodes = await answered(false, one)
      const undated = (wire: string) => wire.replace(/^Date: .*$/gm, 'Date')
      expect(undated(ours.wire)).toBe(undated(nodes.wire))
      expect(ours.ways).not.toContain(true)
    }
  })

  test('keeps the bytes of a file name, which Node takes for UTF-8 behind a length', async () => {
    const headers = [...date, 'Content-Length', '2', 'Content-Disposition', 'attachment; filename="\xc3\xa9"']
    const body = (response: ClientResponse) => void response.end('ok', 'latin1')
    const { wire } = await answered(true, { requests: ask('GET') + last, headers, body })
    expect(wire.split('HTTP/1.1 200')[1]).toContain('filename="\xc3\xa9"')
  })
})
