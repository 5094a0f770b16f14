/** Cases out of a grammar of HTTP/1.1 and of what people did to it, and then some bytes changed. */
import type { Chance } from './chance.ts'
import {
  hopFields,
  oddBytes,
  oddCodingNames,
  oddCodings,
  oddLengths,
  oddLineEnds,
  oddMethods,
  oddNames,
  oddSizes,
  oddValues,
  oddVersions,
} from './oddities.ts'
import type { CaseMessage, RequestCase } from './request-case.ts'

export function makeCase(chance: Chance): RequestCase {
  const count = chance.pick([1, 1, 2, 2, 3, 4])
  const messages = Array.from({ length: count }, (_, index) => makeMessage(chance, index))
  const mutated = chance.isTrue(0.3) ? mutateMessages(chance, messages) : messages
  const cuts = chance.isTrue(0.25) ? Array.from({ length: 1 + chance.below(6) }, () => chance.next()) : []
  return { messages: mutated, cuts }
}

/** How often one choice of an odd message is an odd one. */
const oddness = 0.08

function makeMessage(chance: Chance, index: number): CaseMessage {
  const odd = chance.isTrue(0.6) ? oddness : 0
  const method = chance.mostly(odd, chance.pick(['GET', 'GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']), oddMethods)
  const mayHaveBody = chance.isTrue(method === 'POST' || method === 'PUT' ? 0.9 : 0.25)
  const framed = mayHaveBody ? makeBody(chance, odd, index) : { fields: [], body: [] }
  const fields = [
    ...hostFields(chance, odd),
    ...['Cookie', ': ', '{cookie}', eol(chance, odd)],
    ...(chance.isTrue(0.9) ? ['Origin', ': ', 'http://{host}', eol(chance, odd)] : []),
    ...Array.from({ length: chance.below(3) }, () => otherField(chance, odd)).flat(),
    ...framed.fields,
    ...Array.from({ length: chance.below(2) }, () => otherField(chance, odd)).flat(),
  ]
  const start = [
    ...(chance.isTrue(odd / 2) ? [chance.pick(['\r\n', '\n', '\r', ' ', '\r\n\r\n', '\0'])] : []),
    ...[method, chance.mostly(odd / 2, ' ', ['  ', '\t', '', '\x0b'])],
    ...[target(chance, odd, index), chance.mostly(odd / 2, ' ', ['  ', '\t', '', '\x0c'])],
    ...[chance.mostly(odd, 'HTTP/1.1', oddVersions), eol(chance, odd)],
  ]
  return {
    head: [...start, ...fields, chance.mostly(odd / 3, '\r\n', ['\n', '\r\r\n', ' \r\n', ''])],
    body: framed.body,
  }
}

function eol(chance: Chance, odd: number): string {
  return chance.mostly(odd / 4, '\r\n', oddLineEnds)
}

function target(chance: Chance, odd: number, index: number): string {
  const name = `k${index}`
  const usual = chance.pick([`{base}/${name}`, `{base}/${name}?a=b`, `{base}/${name}/c%2Fd`])
  return chance.mostly(odd, usual, [
    ...[`/{base}/${name}`, `{base}/a/../${name}`, `{base}/%2e%2e/${name}`, `http://{host}{base}/${name}`],
    ...[`http://evil{base}/${name}`, `HTTP://{host}{base}/${name}`, `http://{host}`, `http://{host}?${name}`],
    ...[`https://{host}{base}/${name}`, '*', name, `{base}/${name}#f`, `{base}/${name}\\x`, `{base}/${name}\x80`],
    ...[`{base}/${name}%00`, `{base}/${name}%zz`, `{base}/${name}|{}"<>^\``, `{base}?${name}`, `{base}/${name}\x01`],
    ...[`{base}/${name}\x7f`, `http://a@{host}{base}/${name}`, `{host}`, `{base}/${name}?\\%`],
    ...[`{base}/${name};x=1/..;/y`, `/workspaces/team/other/../${name}`, `{base}/../other/${name}`],
    ...[
      `http://{base}/${name}`,
      `http:{base}/${name}`,
      `//{host}{base}/${name}`,
      `{base}/${name} /x`,
      `{base}/./${name}`,
      `{base}/${name}${'a'.repeat(300)}`,
    ],
  ])
}

function hostFields(chance: Chance, odd: number): string[] {
  const line = ['Host', colon(chance, odd), '{host}', eol(chance, odd)]
  return chance.mostly(odd / 2, line, [
    [],
    [...line, ...line],
    [...line, 'host', ': ', 'evil.test', '\r\n'],
    ['Host', ': ', 'evil.test', '\r\n', ...line],
    ['Host', ': ', '{host}, {host}', '\r\n'],
    ['Host', ': ', 'a@{host}', '\r\n'],
    ['Host', ': ', '{host}/x', '\r\n'],
    ['Host', ': ', '{host}.', '\r\n'],
    ['HOST', ':\t', '{host}', ' \t\r\n'],
    ['Host', ': ', '', '\r\n'],
    [...line, 'X-Forwarded-Host', ': ', 'evil.test', '\r\n'],
    ['Host ', ':', '{host}', '\r\n'],
  ])
}

function colon(chance: Chance, odd: number): string {
  return chance.mostly(odd / 3, ': ', [':', ':\t', ' : ', '\t:', ':  \t', ':\r\n ', ' :\x0b', '\0: '])
}

function otherField(chance: Chance, odd: number): string[] {
  const name = chance.mostly(odd, chance.pick(['X-A', 'Accept', 'User-Agent', 'X-Long-Name']), oddNames)
  const value = chance.mostly(odd, chance.pick(['v', 'a, b', 'text/html;q=0.9', '"x y"', '']), oddValues)
  if (chance.isTrue(odd)) return hopField(chance)
  return [name, colon(chance, odd), value, eol(chance, odd)]
}

function hopField(chance: Chance): string[] {
  const line = chance.pick(hopFields)
  const colon = line.indexOf(':')
  return [line.slice(0, colon), ': ', line.slice(colon + 2), '\r\n']
}

interface Framed {
  readonly fields: readonly string[]
  readonly body: readonly string[]
}

/** A request that only somebody who loses count reads as one. */
const inner = (index: number) => `GET /inner${index} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n`

function makeBody(chance: Chance, odd: number, index: number): Framed {
  const content = chance.pick(['', 'x', 'hello world', 'a=b&c=d', '\r\n', '0\r\n\r\n', inner(index), inner(index)])
  const length = ['Content-Length', colon(chance, odd), chance.mostly(odd, '{length}', oddLengths), eol(chance, odd)]
  const coding = [
    ...[chance.mostly(odd, 'Transfer-Encoding', oddCodingNames), colon(chance, odd)],
    ...[chance.mostly(odd, 'chunked', oddCodings), eol(chance, odd)],
  ]
  const chunked = { fields: coding, body: chunks(chance, odd, index) }
  const plain = { fields: length, body: [content] }
  return chance.mostly(odd, chance.pick([chunked, plain]), [
    { fields: [...length, ...coding], body: chunked.body },
    { fields: [...coding, ...length], body: chunked.body },
    { fields: [...length, ...length], body: [content] },
    { fields: [...coding, ...coding], body: chunked.body },
    { fields: [...coding, 'Transfer-Encoding', ': ', 'identity', '\r\n'], body: chunked.body },
    { fields: ['Transfer-Encoding', ': ', 'gzip', '\r\n', ...coding], body: chunked.body },
    { fields: length, body: chunked.body },
    { fields: coding, body: [content] },
    { fields: [], body: [content] },
    { fields: [], body: chunked.body },
    { fields: ['Content-Length', ': ', '3', '\r\n', ...length], body: [content] },
  ])
}

function chunks(chance: Chance, odd: number, index: number): string[] {
  const count = chance.below(3)
  const all = Array.from({ length: count }, () => chunk(chance, odd, index)).flat()
  const end = [
    chance.mostly(odd, '0', ['00', '0;x', '000000000000000000', '0 ', '-0', '0x0', '', '+0', '0\t', ' 0']),
    eol(chance, odd),
  ]
  const trailers = chance.mostly(
    odd,
    [],
    [
      ['X-T', ': ', 'evil', '\r\n'],
      ['Content-Length', ': ', '5', '\r\n'],
      ['Host', ': ', 'evil.test', '\r\n'],
      ['X-Forwarded-User', ': ', 'evil', '\r\n'],
      ['Transfer-Encoding', ': ', 'chunked', '\r\n'],
      ['X T', ': ', 'evil', '\r\n'],
      ['X-T', ': ', 'evil\rx', '\r\n'],
      ['evil', '\r\n'],
      [' folded', '\r\n'],
    ],
  )
  return [...all, ...end, ...trailers, chance.mostly(odd / 2, '\r\n', ['\n', '', '\r', '\r\r\n', ' \r\n'])]
}

function chunk(chance: Chance, odd: number, index: number): string[] {
  const size = chance.mostly(odd, '{hex}', oddSizes)
  const data = chance.pick(['x', 'hello', '\r\n', '0\r\n\r\n', inner(index), 'AAAAAAAAAAAAAAAAAAAA'])
  return [size, eol(chance, odd), data, chance.mostly(odd / 2, '\r\n', ['\n', '', '\r', 'xx', '\r\n\r\n', 'x\r\n'])]
}

function mutateMessages(chance: Chance, messages: readonly CaseMessage[]): readonly CaseMessage[] {
  const chosen = chance.below(messages.length)
  return messages.map((message, index) => {
    if (index !== chosen) return message
    const inBody = message.body.length > 0 && chance.isTrue(0.4)
    return inBody
      ? { ...message, body: mutate(chance, message.body) }
      : { ...message, head: mutate(chance, message.head) }
  })
}

function mutate(chance: Chance, parts: readonly string[]): readonly string[] {
  const at = chance.below(parts.length)
  const part = parts[at] ?? ''
  const place = chance.below(part.length + 1)
  const before = parts.slice(0, at)
  const after = parts.slice(at + 1)
  return chance.pick<() => readonly string[]>([
    () => [...before, ...after],
    () => [...before, part, part, ...after],
    () => [...before, part.slice(0, place) + chance.pick(oddBytes) + part.slice(place), ...after],
    () => [...before, part.slice(0, place) + chance.pick(oddBytes) + part.slice(place + 1), ...after],
    () => [...before, part.slice(0, place) + part.slice(place + 1), ...after],
    () => [...before, part.slice(0, place) + String.fromCharCode(chance.below(256)) + part.slice(place + 1), ...after],
    () => [...before, ...after.slice(0, 1), part, ...after.slice(1)],
  ])()
}
