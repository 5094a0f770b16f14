/**
 * What is wrong with what Gatehouse made of a case, judged by what nginx and haproxy made of the same bytes. To refuse what they
 * take is our right; to pass on what neither of them does, or another part of the bytes as a request or as its body, is a finding.
 */
import type { Played, PlayedCase } from './play.ts'
import { type SeenRequest, valuesOf } from './recorder.ts'
import { isLast } from './request-case.ts'

export type FindingKind =
  /** A request, or the beginning of one, that neither of the others passed on. */
  | 'forwarded-what-both-refuse'
  /** Each of its requests is known to one of the others, or begins like one of theirs; its division of the bytes to none. */
  | 'split-differently'
  /** A field, or a trailer, that the client sent reached the upstream in a form that both others drop. */
  | 'field-smuggled'
  /** Somebody else's host, or a field that only the gateway may set, from the client. */
  | 'forged'
  /** What it sent can't be read by the letter. */
  | 'malformed'
  /** Its answers came in another order than the requests, or there were more of them. */
  | 'answers-mixed'

export interface Finding {
  readonly kind: FindingKind
  readonly what: string
}

/** `host`: the one host that a request may be for. */
export function judge(played: PlayedCase, host: string): readonly Finding[] {
  const { gatehouse, nginx, haproxy } = played
  const others = [nginx, haproxy]
  const ours = gatehouse.requests
  const malformed = ours.flatMap((request): Finding[] =>
    request.malformed === undefined ? [] : [{ kind: 'malformed', what: `${request.target}: ${request.malformed}` }],
  )
  if (malformed.length > 0) return malformed
  return [
    ...judgeSplit(ours, others),
    ...judgeAnswers(gatehouse),
    ...ours.flatMap((request) => [...judgeFields(request, others), ...judgeForgery(request, host)]),
  ]
}

function judgeSplit(ours: readonly SeenRequest[], others: readonly Played[]): readonly Finding[] {
  const strange = ours.filter((request) => !others.some(({ requests }) => requests.some((one) => isSame(request, one))))
  const findings = strange.map((request): Finding => {
    const isBegun = others.some(({ requests }) => requests.some((one) => isAlike(request, one)))
    return { kind: isBegun ? 'split-differently' : 'forwarded-what-both-refuse', what: nameOf(request) }
  })
  if (findings.length > 0 || others.some(({ requests }) => areWithin(ours, requests))) return findings
  return [{ kind: 'split-differently', what: ours.map(nameOf).join(' | ') }]
}

function nameOf({ method, target, body, isComplete }: SeenRequest): string {
  return `${method} ${target} ${JSON.stringify(body)}${isComplete ? '' : '…'}`
}

function isAlike(ours: SeenRequest, other: SeenRequest): boolean {
  return ours.method === other.method && ours.target === originForm(other.target)
}

/** Of one that was cut short, what came of its body counts. */
function isSame(ours: SeenRequest, other: SeenRequest): boolean {
  if (!isAlike(ours, other)) return false
  if (ours.isComplete) return other.isComplete && ours.body === other.body
  return other.body.startsWith(ours.body) || (!other.isComplete && ours.body.startsWith(other.body))
}

function areWithin(ours: readonly SeenRequest[], theirs: readonly SeenRequest[]): boolean {
  const left = [...theirs]
  return ours.every((request) => {
    const index = left.findIndex((one) => isSame(request, one))
    if (index < 0) return false
    left.splice(index, 1)
    return true
  })
}

/** haproxy passes the absolute form on as it came. */
function originForm(target: string): string {
  const rest = target.replace(/^https?:\/\/[^/?]*/i, '')
  return rest.startsWith('/') || rest === target ? rest : `/${rest}`
}

/** The messages of a case are numbered, and their targets say the number. */
function judgeAnswers({ answered, requests }: Played): readonly Finding[] {
  const numbers = answered.flatMap((target) => (isLast(target) ? [Infinity] : numberIn(target)))
  const isSorted = numbers.every((number, index) => number >= (numbers[index - 1] ?? 0))
  if (isSorted && answered.length <= requests.filter(({ isComplete }) => isComplete).length) return []
  return [{ kind: 'answers-mixed', what: answered.join(' | ') }]
}

function numberIn(target: string): readonly number[] {
  const [, digit] = /(?:k|inner)([0-9])/.exec(target) ?? []
  return digit === undefined ? [] : [Number(digit)]
}

/** Is the one division of the bytes into requests the other two, one after the other? */
export function isJoinOf(
  whole: readonly SeenRequest[],
  first: readonly SeenRequest[],
  second: readonly SeenRequest[],
): boolean {
  const parts = [...first.filter(({ target }) => !isLast(target)), ...second]
  return parts.length === whole.length && areWithin(whole, parts)
}

/** What each of the proxies writes anew by rules of its own. */
const rebuilt = new Set([
  'connection',
  'content-length',
  'cookie',
  'expect',
  'host',
  'te',
  'transfer-encoding',
  'upgrade',
])
/** Written by the gateway. The client's own values say `evil`. */
const gatewayFields = /^(?:x-forwarded-|x-gatehouse-|x-real-ip$|forwarded$)/

function judgeFields(request: SeenRequest, others: readonly Played[]): readonly Finding[] {
  const [first = [], second = []] = others.map(({ requests }) => requests.filter((one) => isAlike(request, one)))
  // One that did not come as far has dropped nothing.
  if (first.length === 0 || second.length === 0) return []
  const theirs = [...first, ...second]
  const smuggled = (part: 'fields' | 'trailers') =>
    request[part].flatMap(([name, value]): Finding[] => {
      if (rebuilt.has(name) || gatewayFields.test(name)) return []
      if (theirs.some((one) => one[part].some(([other, text]) => name === other && value === text))) return []
      return [{ kind: 'field-smuggled', what: `${part}: ${JSON.stringify(`${name}: ${value}`)} in ${nameOf(request)}` }]
    })
  return [...smuggled('fields'), ...smuggled('trailers')]
}

const speaksForTheGateway = /^(?:http)*(?:xforwarded|xgatehouse|xrealip|forwarded|remoteuser|proxy$)/

function judgeForgery({ fields, trailers, target }: SeenRequest, host: string): readonly Finding[] {
  const hosts = valuesOf(fields, 'host')
  const isForeign = hosts.length !== 1 || hosts[0]?.toLowerCase() !== host
  const forged = [...fields, ...trailers].filter(
    ([name, value]) => speaksForTheGateway.test(name.replace(/[^a-z0-9]/g, '')) && value.includes('evil'),
  )
  return [
    ...(isForeign ? [{ kind: 'forged', what: `${target} for ${JSON.stringify(hosts)}` } as const] : []),
    ...forged.map(([name, value]): Finding => ({ kind: 'forged', what: `${name}: ${value}` })),
  ]
}
