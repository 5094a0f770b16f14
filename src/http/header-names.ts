/**
 * What becomes of a header field by its name. Apps read names in other spellings than they were sent in (CGI, WSGI and PHP turn `-` into `_`,
 * some frameworks drop separators), so a field that only the gateway may set is recognised in every spelling that could be taken for it.
 * Compare oauth2-proxy CVE-2025-64484, Traefik CVE-2026-39858, Caddy CVE-2026-30851.
 */
import { Remembered } from '#lib/remembered.ts'

/** `pass` and `drop` say it all; the others are for whoever builds the head to handle. */
export type RequestField =
  | 'pass'
  | 'drop'
  | 'host'
  | 'cookie'
  | 'authorization'
  | 'connection'
  | 'te'
  | 'content-length'
  | 'transfer-encoding'

export type ResponseField =
  | 'pass'
  | 'drop'
  | 'connection'
  | 'content-length'
  | 'transfer-encoding'
  | 'keep-alive'
  | 'set-cookie'
  | 'location'
  | 'refresh'
  | 'trailer'
  | 'date'
  | 'service-worker-allowed'
  | 'clear-site-data'

/** A verdict per name as it was spelled. */
export class FieldVerdicts<Verdict> extends Remembered<Verdict> {
  constructor(decide: (name: string) => Verdict) {
    super(decide, { most: 1_000, longest: 64 })
  }
}

const handledInRequests = new Map<string, RequestField>([
  ['host', 'host'],
  ['cookie', 'cookie'],
  ['authorization', 'authorization'],
  ['connection', 'connection'],
  ['te', 'te'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
])

/** Spelled without separators. What frames the message or belongs to one hop (RFC 9110 section 7.6.1), and what names the client or the way it came. */
const reservedInRequests = new Set([
  ...['connection', 'keepalive', 'te', 'transferencoding', 'contentlength', 'upgrade', 'http2settings', 'expect'],
  ...['host', 'cookie', 'cookie2', 'authorization'],
  ...['forwarded', 'xrealip', 'xscheme', 'xurlscheme', 'xclientip', 'xclusterclientip', 'trueclientip', 'clientip'],
  ...['remoteuser', 'remotegroups', 'remotename', 'remoteemail', 'remoteaddr', 'remotehost', 'authuser'],
])

const reservedRequestPrefixes = [
  ...['xforwarded', 'proxy', 'xoriginal', 'xrewrite', 'xenvoy', 'xgatehouse', 'gatehouse'],
  ...['xauthrequest', 'xremote', 'xauthenticated', 'xwebauth'],
]

export function requestField(name: string): RequestField {
  const lower = name.toLowerCase()
  const handled = handledInRequests.get(lower)
  if (handled !== undefined) return handled
  return isReserved(lower) ? 'drop' : 'pass'
}

function isReserved(lower: string): boolean {
  let bare = lower.replace(/[^a-z0-9]/g, '')
  if (isReservedBare(bare)) return true
  // CGI puts HTTP_ before the name, and some programs look for it there.
  while (bare.startsWith('http')) {
    bare = bare.slice(4)
    if (isReservedBare(bare)) return true
  }
  return false
}

function isReservedBare(bare: string): boolean {
  return reservedInRequests.has(bare) || reservedRequestPrefixes.some((prefix) => bare.startsWith(prefix))
}

const handledInResponses = new Map<string, ResponseField>([
  ['connection', 'connection'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
  ['keep-alive', 'keep-alive'],
  ['set-cookie', 'set-cookie'],
  ['location', 'location'],
  ['content-location', 'location'],
  ['refresh', 'refresh'],
  ['trailer', 'trailer'],
  ['date', 'date'],
  ['service-worker-allowed', 'service-worker-allowed'],
  ['clear-site-data', 'clear-site-data'],
  ['te', 'drop'],
  ['upgrade', 'drop'],
  ['set-cookie2', 'drop'],
  // Where else the origin may be reached is not for one workspace to say: in path mode all of them share it (RFC 7838).
  ['alt-svc', 'drop'],
  // A web server in front of the gateway would answer with a file of its own.
  ['x-accel-redirect', 'drop'],
  ['x-sendfile', 'drop'],
  ['x-lighttpd-send-file', 'drop'],
])

export function responseField(name: string): ResponseField {
  const lower = name.toLowerCase()
  const handled = handledInResponses.get(lower)
  if (handled !== undefined) return handled
  return lower.startsWith('proxy-') || lower.startsWith('x-gatehouse-') ? 'drop' : 'pass'
}
