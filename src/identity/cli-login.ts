/**
 * Logging in a command line. The person agrees in the browser to what the page says of the device; then the issuer is asked once more, so that the command
 * line's session has a refresh token and a life of its own, and the command line gets a code that is good once, for a minute, for whoever began.
 * The issuer's tokens never leave the gateway.
 */
import { type Static, Type } from 'typebox'
import type { Milliseconds } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import { type CliCodeOptions, CliCodes, type CliExchange } from './cli-code.ts'
import { type CliRequest, type CliRequestFault, cliRedirect, parseCliRequest } from './cli-request.ts'
import type { Issuers } from './issuers.ts'
import type { FinishedLogin, LoginStart, Logins } from './login.ts'
import { consoleFrontPage } from './return-to.ts'
import type { Session } from './session.ts'
import type { SessionStore } from './session-store.ts'

export type CliConsent =
  /** For the page: who would be logged in where. `form`: what the page sends back, good for this session alone. */
  | { readonly kind: 'ask'; readonly device: string; readonly redirectUri: string; readonly form: string }
  | { readonly kind: 'refused'; readonly reason: CliRequestFault }

export type CliGrant =
  | { readonly kind: 'login'; readonly start: LoginStart }
  /** The form is another session's, was changed, or is older than 10 minutes. */
  | { readonly kind: 'refused'; readonly reason: 'consent_invalid' }

export type CliCallback =
  | { readonly kind: 'redirect'; readonly location: string; readonly session: Session }
  /** Somebody else has logged in at the issuer than the one who agreed. */
  | { readonly kind: 'refused'; readonly reason: 'another_person' }

export interface CliLogins {
  /** Of a `GET` by somebody who is logged in. */
  startConsent(query: URLSearchParams, session: Session): CliConsent
  /** They agree: on to the issuer, and from there to the callback. */
  grant(form: string, session: Session, cookieHeader: string | undefined): Promise<CliGrant>
  /** They don't: back to the command line; `undefined` for a form that is not theirs. */
  deny(form: string, session: Session): string | undefined
  /** A finished login whose attachment is {@link isCliAttachment}. Throws as {@link SessionStore.create}. */
  finish(login: FinishedLogin, attachment: string): Promise<CliCallback>
  isCliAttachment(attachment: string | undefined): attachment is string
  /** What the command line sends; its secret then stands for the session. Throws `store_unavailable`. */
  exchange(request: { readonly code: string; readonly verifier: string }): Promise<CliExchange>
}

export interface CliLoginOptions extends CliCodeOptions {
  readonly logins: Pick<Logins, 'start'>
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly sessions: Pick<SessionStore, 'create' | 'look' | 'end'>
}

const consentLifetime: Milliseconds = 10 * 60_000

const requestSchema = Type.Object({
  redirectUri: Type.String(),
  challenge: Type.String(),
  state: Type.String(),
  device: Type.String(),
})
const attachmentSchema = Type.Object({
  kind: Type.Literal('cli'),
  request: requestSchema,
  /** Of the one who agreed. */
  issuer: Type.String(),
  subject: Type.String(),
})

const checkRequest = checkerOf(requestSchema)
const checkAttachment = checkerOf(attachmentSchema)

export function createCliLogins(options: CliLoginOptions): CliLogins {
  return new ConsentedCliLogins(options)
}

class ConsentedCliLogins implements CliLogins {
  readonly #options: CliLoginOptions
  readonly #codes: CliCodes

  constructor(options: CliLoginOptions) {
    this.#options = options
    this.#codes = new CliCodes(options)
  }

  startConsent(query: URLSearchParams, session: Session): CliConsent {
    const request = parseCliRequest(query)
    if (typeof request === 'string') return { kind: 'refused', reason: request }
    const { sealer, clock } = this.#options
    const form = sealer.seal('cli/consent', JSON.stringify(request), {
      associatedData: [session.name],
      expiresAt: clock.now() + consentLifetime,
    })
    return { kind: 'ask', device: request.device, redirectUri: request.redirectUri, form }
  }

  async grant(form: string, session: Session, cookieHeader: string | undefined): Promise<CliGrant> {
    const request = this.#openConsent(form, session)
    if (!request) return { kind: 'refused', reason: 'consent_invalid' }
    const { logins, issuers } = this.#options
    const { issuer: url, subject } = session
    const attachment = JSON.stringify({ kind: 'cli', request, issuer: url, subject })
    const issuer = issuers.byUrl(url)?.settings.id
    return {
      kind: 'login',
      start: await logins.start({ issuer, returnTo: consoleFrontPage, attachment, cookieHeader }),
    }
  }

  deny(form: string, session: Session): string | undefined {
    const request = this.#openConsent(form, session)
    return request && cliRedirect(request, { error: 'access_denied' })
  }

  isCliAttachment(attachment: string | undefined): attachment is string {
    return attachment !== undefined && attachmentOf(attachment) !== undefined
  }

  async finish(login: FinishedLogin, text: string): Promise<CliCallback> {
    const attachment = attachmentOf(text)
    const isSamePerson = attachment?.issuer === login.issuer && attachment.subject === login.subject
    if (!attachment || !isSamePerson) return { kind: 'refused', reason: 'another_person' }
    const { device, challenge } = attachment.request
    const { session, id } = await this.#options.sessions.create({
      ...login,
      kind: 'cli',
      userAgent: 'gatehouse',
      device,
    })
    const location = cliRedirect(attachment.request, { code: this.#codes.issue(id, challenge) })
    return { kind: 'redirect', location, session }
  }

  exchange(request: { readonly code: string; readonly verifier: string }): Promise<CliExchange> {
    return this.#codes.exchange(request.code, request.verifier)
  }

  #openConsent(form: string, session: Session): CliRequest | undefined {
    const text = this.#options.sealer.open('cli/consent', form, { associatedData: [session.name] })
    const checked = text === undefined ? undefined : checkRequest(JSON.parse(text))
    return checked?.ok ? checked.value : undefined
  }
}

function attachmentOf(text: string): Static<typeof attachmentSchema> | undefined {
  try {
    const checked = checkAttachment(JSON.parse(text))
    return checked.ok ? checked.value : undefined
  } catch {
    // Not JSON, so not ours.
    return undefined
  }
}
