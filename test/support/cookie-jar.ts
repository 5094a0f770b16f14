/** The cookies of one scripted browser, kept and sent as RFC 6265bis says, as far as Gatehouse's claims depend on it. */

export interface JarCookie {
  readonly name: string
  readonly value: string
  readonly host: string
  readonly isHostOnly: boolean
  readonly path: string
  readonly isSecure: boolean
  readonly isHttpOnly: boolean
  readonly sameSite: 'strict' | 'lax' | 'none'
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** What decides about `SameSite`. */
export interface CookieRequest {
  readonly url: URL
  readonly isSameSite: boolean
  readonly isSafeNavigation: boolean
}

export class CookieJar {
  readonly #now: () => number
  #cookies: JarCookie[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** What is kept for this URL's host, whatever its path. */
  of(url: string | URL): readonly JarCookie[] {
    const host = new URL(url).hostname
    return this.#live().filter((cookie) => isForHost(cookie, host))
  }

  all(): readonly JarCookie[] {
    return this.#live()
  }

  clear(): void {
    this.#cookies = []
  }

  delete(name: string): void {
    this.#cookies = this.#cookies.filter((cookie) => cookie.name !== name)
  }

  /** Keeps one `Set-Cookie`; `false` when a browser would refuse it. */
  take(header: string, url: URL): boolean {
    const cookie = parseSetCookie(header, url, this.#now())
    if (!cookie || !isAcceptable(cookie, url)) return false
    const isSame = (other: JarCookie) =>
      other.name === cookie.name && other.host === cookie.host && other.path === cookie.path
    this.#cookies = [...this.#cookies.filter((other) => !isSame(other)), cookie]
    return true
  }

  /** The `Cookie` header; `undefined` when none is sent. */
  header(request: CookieRequest): string | undefined {
    const { url } = request
    const sent = this.#live().filter(
      (cookie) =>
        isForHost(cookie, url.hostname) &&
        isForPath(cookie.path, url.pathname) &&
        (!cookie.isSecure || url.protocol === 'https:') &&
        isSameSiteEnough(cookie, request),
    )
    sent.sort((a, b) => b.path.length - a.path.length)
    return sent.length === 0 ? undefined : sent.map((cookie) => `${cookie.name}=${cookie.value}`).join('; ')
  }

  #live(): JarCookie[] {
    return this.#cookies.filter((cookie) => cookie.expiresAt > this.#now())
  }
}

function isForHost(cookie: JarCookie, host: string): boolean {
  return cookie.host === host || (!cookie.isHostOnly && host.endsWith(`.${cookie.host}`))
}

function isForPath(path: string, requested: string): boolean {
  return requested === path || requested.startsWith(path.endsWith('/') ? path : `${path}/`)
}

function isSameSiteEnough(cookie: JarCookie, request: CookieRequest): boolean {
  if (request.isSameSite || cookie.sameSite === 'none') return true
  return cookie.sameSite === 'lax' && request.isSafeNavigation
}

function isAcceptable(cookie: JarCookie, url: URL): boolean {
  if (cookie.name.length + cookie.value.length > 4096) return false
  if (cookie.isSecure && url.protocol !== 'https:') return false
  if (cookie.name.startsWith('__Host-')) return cookie.isSecure && cookie.isHostOnly && cookie.path === '/'
  if (cookie.name.startsWith('__Secure-')) return cookie.isSecure
  return cookie.isHostOnly || isForHost(cookie, url.hostname)
}

function parseSetCookie(header: string, url: URL, now: number): JarCookie | undefined {
  const [pair = '', ...rest] = header.split(';')
  const equals = pair.indexOf('=')
  if (equals < 1) return undefined
  const attributes = new Map(rest.map(parseAttribute))
  const domain = attributes.get('domain')?.replace(/^\./, '').toLowerCase()
  const path = attributes.get('path')
  return {
    name: pair.slice(0, equals).trim(),
    value: pair.slice(equals + 1).trim(),
    host: domain ?? url.hostname,
    isHostOnly: domain === undefined,
    path: path?.startsWith('/') ? path : defaultPath(url.pathname),
    isSecure: attributes.has('secure'),
    isHttpOnly: attributes.has('httponly'),
    sameSite: sameSiteOf(attributes.get('samesite')),
    expiresAt: expiryOf(attributes, now),
  }
}

function parseAttribute(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals < 0) return [text.trim().toLowerCase(), '']
  return [text.slice(0, equals).trim().toLowerCase(), text.slice(equals + 1).trim()]
}

function defaultPath(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 1))
}

function sameSiteOf(value: string | undefined): JarCookie['sameSite'] {
  const lower = value?.toLowerCase()
  return lower === 'strict' || lower === 'none' ? lower : 'lax'
}

function expiryOf(attributes: ReadonlyMap<string, string>, now: number): number {
  const maxAge = attributes.get('max-age')
  if (maxAge !== undefined) return now + Number(maxAge) * 1000
  const expires = attributes.get('expires')
  return expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires)
}
