/**
 * Where the three read differently and nothing follows from it. Two of them in one message are refused by both others, each for a reason of
 * its own; what Gatehouse makes of such a message is what it makes of the same one written plainly.
 */
import type { RequestCase } from './request-case.ts'

interface Dialect {
  readonly why: string
  readonly plain: (head: string) => string
}

const dialects: readonly Dialect[] = [
  {
    why: 'llhttp reads RTSP/1.0 and ICE/1.0 in a request line as HTTP/1.0, and node:http does not tell; it is passed on as the HTTP that it was read as',
    plain: (head) => head.replace(/^([A-Z]+ \S+ )(?:RTSP|ICE)(?=\/[0-9])/gm, '$1HTTP'),
  },
  {
    why: 'blanks around a value are spaces and tabs (RFC 9112 section 5.1); nginx takes a tab for a part of a host or coding',
    plain: (head) => head.replace(/(?<=^[\w-]+:)[\t ]+/gm, ' ').replace(/[\t ]+(?=\r\n)/g, ''),
  },
  {
    why: 'an absolute target without a path means the path / (RFC 9112 section 3.2.1); haproxy refuses it before a query',
    plain: (head) => head.replace(/^(\S+ https?:\/\/[^/?\s]*)\?/gim, '$1/?'),
  },
  {
    why: 'llhttp and nginx read over a CR in front of a request line; haproxy refuses it. Nobody reads anything else out of it',
    plain: (head) => head.replace(/^\r(?!\n)/, ''),
  },
]

/** The case as somebody would write it who knows no dialect; `undefined` where it is that already. */
export function plainly({ messages, cuts }: RequestCase): RequestCase | undefined {
  let isPlain = true
  const plain = messages.map(({ head, body }) => {
    const whole = head.join('')
    const text = dialects.reduce((before, dialect) => dialect.plain(before), whole)
    if (text !== whole) isPlain = false
    return { head: [text], body }
  })
  return isPlain ? undefined : { messages: plain, cuts }
}
