/**
 * What is sent on one connection: some messages, good or not, in pieces that can be taken out one by one. A case is text that fits any
 * machine: who is asked, and with which session, is filled in when it is sent. Latin-1, a character a byte.
 */

/**
 * In every piece `{host}` and `{cookie}` stand for the workspace's authority and a session there, `{base}` for the path before its own. `{length}` is the number of bytes
 * of this message's body; `{hex}`, in a body, that of the piece after the next, as in `{hex}`, CRLF, data, CRLF.
 */
export interface CaseMessage {
  readonly head: readonly string[]
  readonly body: readonly string[]
}

export interface RequestCase {
  readonly messages: readonly CaseMessage[]
  /** Where the bytes are cut into several writes, from 0 to 1. */
  readonly cuts: readonly number[]
}

export interface CaseSetting {
  /** Empty, or `/workspaces/team/lane0` where workspaces share a host. */
  readonly base: string
  readonly host: string
  readonly cookie: string
}

/** Behind every case: is it still read as a request of its own? Ends the connection where it is. */
const lastTarget = '{base}/last'

export function isLast(target: string): boolean {
  return target.endsWith('/last')
}

/** `by-line-groups`: cut behind every empty line, so that whoever passes a body on as it comes has seen the head before. */
export type CaseWriting = 'as-it-is' | 'by-line-groups'

/** The writes that make the case. */
export function renderCase(
  { messages, cuts }: RequestCase,
  setting: CaseSetting,
  writing: CaseWriting = 'as-it-is',
): readonly string[] {
  const { host, cookie, base } = setting
  const fill = (text: string) =>
    text.replaceAll('{host}', host).replaceAll('{cookie}', cookie).replaceAll('{base}', base)
  const last = fill(`GET ${lastTarget} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n`)
  const text = messages.map((message) => renderMessage(message, fill)).join('') + last
  if (writing === 'by-line-groups') return text.split(/(?<=\r?\n\r?\n)/)
  const at = [...new Set(cuts.map((cut) => Math.floor(cut * text.length)))].sort((one, other) => one - other)
  return [...at, text.length].map((end, index) => text.slice(at[index - 1] ?? 0, end)).filter((piece) => piece !== '')
}

function renderMessage({ head, body }: CaseMessage, fill: (text: string) => string): string {
  const filled = body.map(fill)
  const bytes = filled
    .map((piece, index) => piece.replaceAll('{hex}', (filled[index + 2] ?? '').length.toString(16)))
    .join('')
  return fill(head.join('')).replaceAll('{length}', String(bytes.length)) + bytes
}
