/** Odd requests, each by one name and its bytes, and what a server of Node makes of such bytes when nobody has set it up. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { openRaw } from './raw-http.ts'

export interface ProbeSetting {
  readonly host: string
  readonly cookie: string
}

export interface Probe {
  readonly name: string
  /** Whole, unless it is malformed: whoever takes it answers it. */
  bytes(setting: ProbeSetting): string
}

interface Shape {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  /** Before the request line. */
  readonly before?: string
  /** Lines; `{host}` is filled in. */
  readonly host?: readonly string[]
  readonly fields?: readonly string[]
  readonly body?: string
  readonly lineEnd?: string
}

function probe(name: string, shape: Shape): Probe {
  const { method = 'GET', target = '/', version = 'HTTP/1.1', before = '', body = '', lineEnd = '\r\n' } = shape
  return {
    name,
    bytes({ host, cookie }) {
      const origin = method === 'GET' ? [] : ['Origin: http://{host}']
      const lines = [...(shape.host ?? ['Host: {host}']), `Cookie: ${cookie}`, ...origin, ...(shape.fields ?? [])]
      const head = [`${method} ${target} ${version}`.trimEnd(), ...lines, '', ''].join(lineEnd)
      return (before + head).replaceAll('{host}', host) + body
    },
  }
}

const post = (name: string, fields: readonly string[], body = '') => probe(name, { method: 'POST', fields, body })
const chunked = (name: string, body: string) => post(name, ['Transfer-Encoding: chunked'], body)
const coding = (value: string) => post(`\`Transfer-Encoding: ${value}\``, [`Transfer-Encoding: ${value}`], '0\r\n\r\n')
const length = (value: string) => post(`\`Content-Length: ${value}\``, [`Content-Length: ${value}`], 'x')
const target = (text: string) => probe(`target \`${text}\``, { target: text })
const version = (text: string) => probe(`version \`${text}\``, { version: text })
const method = (text: string, at = '/') => probe(`\`${text} ${at}\``, { method: text, target: at })
const host = (name: string, ...lines: readonly string[]) => probe(name, { host: lines })
const field = (name: string, ...fields: readonly string[]) => probe(name, { fields })
const upgrade = (name: string, shape: Shape, protocol = 'websocket') => {
  const fields = [`Upgrade: ${protocol}`, 'Connection: Upgrade', ...(shape.fields ?? [])]
  return probe(name, { ...shape, fields })
}
const handshake = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Origin: http://{host}']

export const probes: readonly Probe[] = [
  probe('a plain request', {}),
  post('length and coding', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  post('two equal lengths', ['Content-Length: 1', 'Content-Length: 1'], 'x'),
  ...['1,1', '1, 1', '+1', '-1', '0x1', '1e0', '01', '1 1', '', '18446744073709551617'].map(length),
  ...['xchunked', 'chunked, identity', 'gzip, chunked', 'chunked, chunked', 'identity', '"chunked"'].map(coding),
  ...['Chunked', 'chunked;q=1', ',chunked', ''].map(coding),
  post('two codings, `gzip` and `chunked`', ['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  post('`chunked` twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  post('a coding behind a vertical tab', ['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'),
  post('a coding behind a tab', ['Transfer-Encoding:\tchunked'], '0\r\n\r\n'),
  post('a coding on a folded line', ['Transfer-Encoding:\r\n chunked'], '0\r\n\r\n'),
  probe('a coding in HTTP/1.0', {
    ...{ method: 'POST', version: 'HTTP/1.0', fields: ['Transfer-Encoding: chunked'], body: '0\r\n\r\n' },
  }),
  post('a space before the colon', ['Content-Length : 1'], 'x'),
  chunked('a chunk of `0x1`', '0x1\r\nx\r\n0\r\n\r\n'),
  chunked('a chunk of `-1`', '-1\r\nx\r\n0\r\n\r\n'),
  chunked('a chunk size with a space behind', '1 \r\nx\r\n0\r\n\r\n'),
  chunked('a chunk size of 17 digits', '00000000000000001\r\nx\r\n0\r\n\r\n'),
  chunked('a chunk extension', '1;a=b\r\nx\r\n0\r\n\r\n'),
  chunked('a chunk extension with blanks', '1 ; a = b\r\nx\r\n0\r\n\r\n'),
  chunked('a bare LF in a chunk extension', '1;a\nx\r\n0\r\n\r\n'),
  chunked('a bare LF behind a chunk size', '1\nx\r\n0\r\n\r\n'),
  chunked('a bare LF behind a chunk', '1\r\nx\n0\r\n\r\n'),
  chunked('a chunk longer than its size', '1\r\nxx\r\n0\r\n\r\n'),
  chunked('`Content-Length` in the trailers', '0\r\nContent-Length: 5\r\n\r\n'),
  chunked('`Host` in the trailers', '0\r\nHost: evil\r\n\r\n'),
  probe('bare LF everywhere', { lineEnd: '\n' }),
  probe('bare CR everywhere', { lineEnd: '\r' }),
  probe('an empty line before', { before: '\r\n' }),
  probe('ten empty lines before', { before: '\r\n'.repeat(10) }),
  probe('a bare LF before', { before: '\n' }),
  probe('a bare CR before', { before: '\r' }),
  probe('a space before', { before: ' ' }),
  probe('a NUL before', { before: '\0' }),
  field('a folded line', 'X-A: b\r\n c'),
  ...[host('no Host'), host('an empty Host', 'Host:'), host('two equal Hosts', 'Host: {host}', 'Host: {host}')],
  ...[host('two Hosts', 'Host: {host}', 'Host: evil'), host('`Host: a, b`', 'Host: {host}, evil')],
  ...[
    host('`Host: a@b`', 'Host: a@{host}'),
    host('`Host: a/b`', 'Host: {host}/b'),
    host('a dot behind', 'Host: {host}.'),
  ],
  ...['*', '//evil/x', '/a/../b', '/%2e%2e/x', 'http://{host}/x', 'http://evil/x', 'x', '?x', '/a#b', '/a\\b'].map(
    target,
  ),
  ...['/%00', '/%zz', '/a b', '/a\tb', '/\x01', '/\x7f', '/\x80', '/{}|^"<>`', 'http://{host}', 'http://a@{host}/'].map(
    target,
  ),
  ...[
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/3.0',
    'http/1.1',
    'HTTP/1',
    'HTTP/1.10',
    'RTSP/1.0',
    '',
  ].map(version),
  ...['get', 'FOO', 'TRACE', 'QUERY', 'PRI', 'M-SEARCH', 'SOURCE', 'DESCRIBE'].map((name) => method(name)),
  ...[method('OPTIONS', '*'), method('GET', '*'), method('CONNECT', 'evil:443'), method('CONNECT', '/')],
  ...[
    field('`X_Forwarded_User`', 'X_Forwarded_User: evil'),
    field('`X.Real.IP`', 'X.Real.IP: evil'),
    field('`X A`', 'X A: b'),
  ],
  ...[
    field('no name', ': b'),
    field('no colon', 'abc'),
    field('`X(A)`', 'X(A): b'),
    field('`__proto__`', '__proto__: b'),
  ],
  field('a byte above ASCII in a name', 'X\x80: b'),
  field('bytes above ASCII in a value', 'X-A: \x80\xff'),
  ...[
    field('a NUL in a value', 'X-A: b\0'),
    field('a CR in a value', 'X-A: b\rX: c'),
    field('DEL in a value', 'X-A: \x7f'),
  ],
  field('a vertical tab in a value', 'X-A: b\x0bc'),
  field('two `Authorization`', 'Authorization: Basic YTpi', 'Authorization: Basic YTpj'),
  field('`Connection: close, X-Auth`', 'Connection: close, X-Auth', 'X-Auth: evil'),
  field('`Expect: 100-continue`', 'Expect: 100-continue'),
  field('`Expect: x`', 'Expect: x'),
  field('2,100 fields', ...Array.from({ length: 2_100 }, (_, index) => `x${index}:`)),
  field('17 KB of fields', `X-A: ${'a'.repeat(17_000)}`),
  upgrade('a WebSocket', { fields: handshake }),
  upgrade('a WebSocket by POST', { method: 'POST', fields: handshake.slice(0, 2) }),
  upgrade('a WebSocket in HTTP/1.0', { version: 'HTTP/1.0', fields: handshake }),
  upgrade('a WebSocket with a body', { fields: [...handshake, 'Content-Length: 1'], body: 'x' }),
  upgrade('a WebSocket without a key', { fields: handshake.slice(0, 1) }),
  upgrade('`Upgrade: h2c`', { fields: ['HTTP2-Settings: AAMAAABkAAQAAP__'] }, 'h2c'),
  upgrade('`Upgrade: websocket, h2c`', { fields: handshake }, 'websocket, h2c'),
]

/** What `http.createServer()` makes of these bytes: the event it tells of, or the status it answers by itself. */
export async function askNode(bytes: string): Promise<string> {
  let event = ''
  const end = (name: string, socket: Pick<Socket, 'end'>) => {
    event ||= name
    socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  }
  const server = createServer()
  server.on('request', (request: IncomingMessage, response) => {
    event ||= 'request'
    const finish = () => response.writeHead(200, { connection: 'close' }).end()
    request.on('end', finish).resume()
  })
  server.on('upgrade', (_request, socket: Socket) => end('upgrade', socket))
  server.on('connect', (_request, socket: Socket) => end('connect', socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  try {
    const status = await statusOf(port, bytes)
    if (event === '') return String(status)
    return status === 200 ? event : `${event}, then ${status}`
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Of the first answer that is not interim; `closed` where there is none. */
export async function statusOf(port: number, bytes: string): Promise<number | 'closed'> {
  using connection = await openRaw(port)
  connection.send(bytes)
  try {
    return (await connection.answer()).status
  } catch {
    return 'closed'
  }
}
