/** What a command line asks for when it opens the browser to be logged in (RFC 8252, RFC 7636). Pure. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { paths } from '#surface/urls.ts'
import { hasRepeatedParameter } from './authorization-response.ts'
import { displayText } from './session-record.ts'

export interface CliRequest {
  /** Of a listener on the person's own machine: `http://127.0.0.1:<port>/…` or `http://[::1]:<port>/…`; or our own page that shows the code. */
  readonly redirectUri: string
  readonly challenge: string
  /** The command line's own, given back to it. */
  readonly state: string
  /** What it calls the machine it runs on; shown to the person, and believed by nobody. */
  readonly device: string
}

export type CliRequestFault =
  | 'parameter_repeated'
  | 'redirect_uri_invalid'
  | 'challenge_invalid'
  | 'challenge_method_invalid'
  | 'state_invalid'
  | 'device_missing'

/** A literal loopback address, never a name: whoever answers for `localhost` elsewhere would get the code (RFC 8252 section 8.3). */
const loopback = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9]\d{3,4})\/[A-Za-z0-9\-._~/]{0,100}$/
const challengeForm = /^[A-Za-z0-9_-]{43}$/
const verifierForm = /^[A-Za-z0-9\-._~]{43,128}$/
const stateForm = /^[A-Za-z0-9\-._~]{16,128}$/
const longestDevice = 64

/** Parameters `redirect_uri`, `code_challenge`, `code_challenge_method`, `state`, `device`. */
export function parseCliRequest(query: URLSearchParams): CliRequest | CliRequestFault {
  if (hasRepeatedParameter(query)) return 'parameter_repeated'
  const redirectUri = query.get('redirect_uri') ?? ''
  const port = Number(loopback.exec(redirectUri)?.[1])
  if (!(port >= 1024 && port <= 65535) && redirectUri !== paths.cliCode) return 'redirect_uri_invalid'
  if (query.get('code_challenge_method') !== 'S256') return 'challenge_method_invalid'
  const challenge = query.get('code_challenge') ?? ''
  if (!challengeForm.test(challenge)) return 'challenge_invalid'
  const state = query.get('state') ?? ''
  if (!stateForm.test(state)) return 'state_invalid'
  const device = displayText(query.get('device') ?? '')
    .trim()
    .slice(0, longestDevice)
  return device === '' ? 'device_missing' : { redirectUri, challenge, state, device }
}

/** RFC 7636 section 4.6, for S256. */
export function answersChallenge(challenge: string, verifier: string): boolean {
  if (!verifierForm.test(verifier)) return false
  const answer = createHash('sha256').update(verifier).digest('base64url')
  return answer.length === challenge.length && timingSafeEqual(Buffer.from(answer), Buffer.from(challenge))
}

/** Back to the command line, with an answer and its own state. */
export function cliRedirect({ redirectUri, state }: CliRequest, answer: Readonly<Record<string, string>>): string {
  return `${redirectUri}?${new URLSearchParams({ ...answer, state })}`
}
