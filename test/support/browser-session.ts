/**
 * A browser without a screen: keeps cookies, follows redirects one at a time, fills in forms, and says of each request what a real browser
 * would say (Origin, Sec-Fetch-*).
 */
import http, { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { CookieJar } from './cookie-jar.ts'
import { formsOf, type PageForm, submitsItself } from './page-form.ts'

export interface ScriptedBrowserOptions {
  /** How names are resolved; every name is 127.0.0.1 when absent. */
  readonly lookup?: LookupFunction
  /** PEM of the authorities that are trusted for `https:`. */
  readonly ca?: string
  /** For the expiry of cookies; the system's time when absent. */
  readonly now?: () => number
  readonly userAgent?: string
  /** Those of another one that it is to share them with. */
  readonly cookies?: CookieJar
}

/** One answer, not followed. */
export interface Page {
  readonly url: URL
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Where it redirects to. */
  readonly redirect: URL | undefined
  readonly forms: readonly PageForm[]
  /** `Set-Cookie` headers that a browser refuses. */
  readonly refusedCookies: readonly string[]
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface ScriptedBrowser {
  readonly cookies: CookieJar
  /** The last page of a navigation. */
  readonly page: Page
  /** Every URL of the last navigation and its redirects, in order. */
  readonly history: readonly URL[]
  /** One request as the address bar (or a link on the current page, when `from` is the page) makes it; redirects are not followed. */
  navigate(url: string | URL, options?: RequestOptions & { from?: Page }): Promise<Page>
  /** Follows redirects, and forms that send themselves, from the current page to the end. */
  follow(): Promise<Page>
  /** {@link navigate} and {@link follow}. */
  open(url: string | URL): Promise<Page>
  /** Fills in a form of the current page (the first, or by id), sends it, and follows. */
  submit(values?: Readonly<Record<string, string>>, formId?: string): Promise<Page>
  /** As {@link submit}, without following. */
  submitOnly(values?: Readonly<Record<string, string>>, formId?: string): Promise<Page>
  /** Fills in the login form of the identity provider, on which the browser must be, and follows to the end. */
  login(username: string, password: string): Promise<Page>
  /** A request by a script of the current page (`fetch`), redirects not followed. */
  fetch(url: string | URL, options?: RequestOptions): Promise<Page>
  /** The `Cookie` header that a request of the current page to this URL would carry, for sockets opened by a test. */
  cookieHeader(url: string | URL): string | undefined
  /** Another tab: a page of its own, the same cookies. */
  tab(): ScriptedBrowser
}

const mostRedirects = 25

export function createScriptedBrowser(options: ScriptedBrowserOptions = {}): ScriptedBrowser {
  const now = options.now ?? Date.now
  return browserWith(options, options.cookies ?? new CookieJar(now))
}

function browserWith(options: ScriptedBrowserOptions, cookies: CookieJar): ScriptedBrowser {
  const tab: { page: Page | undefined; history: URL[] } = { page: undefined, history: [] }
  const current = () => {
    if (!tab.page) throw new Error('the scripted browser is on no page yet')
    return tab.page
  }

  const request = (url: URL, kind: RequestKind, from: Page | undefined, init: RequestOptions) => {
    const method = init.method ?? 'GET'
    const headers = { ...headersOf({ url, kind, from: from?.url, method }, options, cookies), ...init.headers }
    return send(url, { method, headers, body: init.body }, options, cookies)
  }

  const browser: ScriptedBrowser = {
    cookies,
    get page() {
      return current()
    },
    get history() {
      return tab.history
    },
    async navigate(url, init = {}) {
      const target = new URL(url, tab.page?.url)
      tab.history = [target]
      tab.page = await request(target, 'navigate', init.from, init)
      return tab.page
    },
    async follow() {
      for (let hops = 0; hops < mostRedirects; hops++) {
        const page = current()
        if (page.redirect) {
          tab.history.push(page.redirect)
          tab.page = await request(page.redirect, 'navigate', page, {})
        } else if (submitsItself(page.body)) {
          tab.page = await sendForm(page, page.forms[0], {})
        } else {
          return page
        }
      }
      throw new Error(`more than ${mostRedirects} redirects: ${tab.history.join(' → ')}`)
    },
    async open(url) {
      await browser.navigate(url)
      return browser.follow()
    },
    async submit(values, formId) {
      await browser.submitOnly(values, formId)
      return browser.follow()
    },
    async submitOnly(values = {}, formId) {
      const page = current()
      tab.page = await sendForm(
        page,
        formId === undefined ? page.forms[0] : page.forms.find((form) => form.id === formId),
        values,
      )
      return tab.page
    },
    async login(username, password) {
      const page = current()
      if (!page.forms.some((form) => form.fields.has('password'))) {
        throw new Error(`no login form on ${page.url} (status ${page.status})`)
      }
      return browser.submit({ username, password })
    },
    fetch: (url, init = {}) => request(new URL(url, tab.page?.url), 'cors', tab.page, init),
    cookieHeader(url) {
      const target = new URL(url, tab.page?.url)
      const isSameSite = tab.page === undefined || siteOf(tab.page.url) === siteOf(target)
      return cookies.header({ url: target, isSameSite, isSafeNavigation: false })
    },
    tab: () => browserWith(options, cookies),
  }

  const sendForm = async (page: Page, form: PageForm | undefined, values: Readonly<Record<string, string>>) => {
    if (!form) throw new Error(`no such form on ${page.url} (status ${page.status})`)
    const target = new URL(form.action ?? page.url, page.url)
    const fields = new URLSearchParams([...new Map([...form.fields, ...Object.entries(values)])])
    tab.history.push(target)
    if (form.method === 'get') {
      target.search = fields.toString()
      return request(target, 'navigate', page, {})
    }
    return request(target, 'navigate', page, {
      method: 'POST',
      body: fields.toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
  }
  return browser
}

type RequestKind = 'navigate' | 'cors'

interface RequestContext {
  readonly url: URL
  readonly kind: RequestKind
  readonly method: string
  /** The page that makes the request; `undefined`: the address bar. */
  readonly from: URL | undefined
}

function headersOf(context: RequestContext, options: ScriptedBrowserOptions, cookies: CookieJar): OutgoingHttpHeaders {
  const { url, kind, from, method } = context
  const isNavigation = kind === 'navigate'
  const isSafe = method === 'GET' || method === 'HEAD'
  const isSameSite = from === undefined || siteOf(from) === siteOf(url)
  const cookie = cookies.header({ url, isSameSite, isSafeNavigation: isNavigation && isSafe })
  // The Fetch standard: every request of a script to another origin, and everything that is not GET or HEAD.
  const saysOrigin = from !== undefined && (!isSafe || (!isNavigation && from.origin !== url.origin))
  return {
    'User-Agent': options.userAgent ?? 'ScriptedBrowser/1.0',
    Accept: isNavigation ? 'text/html,application/xhtml+xml,*/*;q=0.8' : '*/*',
    'Sec-Fetch-Mode': kind,
    'Sec-Fetch-Dest': isNavigation ? 'document' : 'empty',
    'Sec-Fetch-Site': fetchSite(from, url),
    ...(isNavigation ? { 'Sec-Fetch-User': '?1' } : {}),
    ...(saysOrigin ? { Origin: from.origin } : {}),
    ...(cookie === undefined ? {} : { Cookie: cookie }),
  }
}

interface Outgoing {
  readonly method: string
  readonly headers: OutgoingHttpHeaders
  readonly body: string | undefined
}

function send(url: URL, outgoing: Outgoing, options: ScriptedBrowserOptions, cookies: CookieJar): Promise<Page> {
  return new Promise((resolve, reject) => {
    const { method, headers, body } = outgoing
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) }
    const secure = options.ca === undefined ? {} : { ca: options.ca }
    const call = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      headers: { ...headers, ...length },
      lookup: options.lookup ?? thisMachine,
      agent: false,
      ...secure,
    })
    call.once('error', reject)
    call.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => resolve(pageOf(url, response, Buffer.concat(chunks).toString('utf8'), cookies)))
    })
    call.end(body)
  })
}

function pageOf(url: URL, response: IncomingMessage, body: string, cookies: CookieJar): Page {
  const { headers, statusCode: status = 0 } = response
  const location = status >= 300 && status < 400 ? headers.location : undefined
  return {
    url,
    status,
    headers,
    body,
    redirect: location === undefined ? undefined : new URL(location, url),
    forms: headers['content-type']?.startsWith('text/html') ? formsOf(body) : [],
    refusedCookies: (headers['set-cookie'] ?? []).filter((header) => !cookies.take(header, url)),
  }
}

/** Scheme and registrable domain; without a list of public suffixes, the last two labels. */
function siteOf(url: URL): string {
  const isAddress = /^[\d.]+$|^\[/.test(url.hostname)
  return `${url.protocol}//${isAddress ? url.hostname : url.hostname.split('.').slice(-2).join('.')}`
}

function fetchSite(from: URL | undefined, to: URL): string {
  if (!from) return 'none'
  if (from.origin === to.origin) return 'same-origin'
  return siteOf(from) === siteOf(to) ? 'same-site' : 'cross-site'
}

/** Every name is this machine, so that no test can leave it. */
export const thisMachine: LookupFunction = (_hostname, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}
