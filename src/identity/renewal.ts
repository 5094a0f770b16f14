/**
 * Renewing one session at its issuer. Claim first, then ask, then write: refresh tokens are good once (RFC 9700 section 4.14.2), so of all replicas only
 * the one that has written its claim into the record may use it. Whatever goes wrong, a session is never lengthened by it.
 */

import { GatewayError } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Secret } from '#settings/secret.ts'
import type { Identity } from './identity.ts'
import type { Issuer } from './issuer.ts'
import type { Issuers } from './issuers.ts'
import { mapClaims } from './mapping.ts'
import { rfc3339Of } from './rfc3339.ts'
import type { Sealer } from './seal.ts'
import type { SeenClaims } from './seen-claims.ts'
import type { SessionName } from './session.ts'
import type { WorkspaceSession } from './session-record.ts'
import type { Renewed } from './session-spec.ts'
import type { SessionStore } from './session-store.ts'
import { type IssuerTokens, sealTokens } from './session-tokens.ts'
import type { Refreshed } from './vouching.ts'

export type Renewal =
  | { readonly kind: 'renewed' }
  /** Somebody else is at it, or was a moment ago; the session goes on. */
  | { readonly kind: 'claimed' }
  /** The session lives to its `expiresAt` and can't be renewed: no refresh token, no such issuer, or at its horizon. */
  | { readonly kind: 'not-renewable' }
  /** Nothing is known that speaks against the session; another try may help. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The issuer no longer vouches for it, or it was over already. */
  | { readonly kind: 'ended' }

export interface RenewalOptions {
  readonly sessions: Pick<SessionStore, 'get' | 'record' | 'fetchRecord' | 'replace' | 'extend' | 'end' | 'tokens'>
  readonly issuers: Pick<Issuers, 'byUrl'>
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'renewals'>
  /** Names this process in claims; no two have the same. */
  readonly replica: string
  readonly seenClaims: SeenClaims
  readonly signal: AbortSignal
}

/** Longer than discovery, keys, token and userinfo may take together, each of which has 10 s. */
const claimLifetime: Milliseconds = 60_000
/** Between tries to write what the issuer has given; it can't be asked for twice. */
const writePauses: readonly Milliseconds[] = [200, 800, 3_000, 10_000]

/** A claimed record, and what its claim is about. */
interface Claim {
  readonly name: SessionName
  readonly record: WorkspaceSession
  readonly issuer: Issuer
  readonly refreshToken: Secret
  /** An earlier claim was never given back: whoever held it may have used the refresh token up. */
  readonly isAfterAbandoned: boolean
}

/** One at a time for each session; callers see to that. Throws `store_unavailable` where the record can't be read. */
export async function renewSession(options: RenewalOptions, name: SessionName): Promise<Renewal> {
  const { sessions, issuers } = options
  const record = sessions.record(name) ?? (await sessions.fetchRecord(name))
  if (!record) return { kind: 'ended' }
  const { spec } = record
  const issuer = issuers.byUrl(spec.issuer)
  const { refreshToken } = sessions.tokens(record)
  const isAtHorizon = Date.parse(spec.expiresAt) >= Date.parse(spec.notAfter)
  if (!issuer || !refreshToken || isAtHorizon) return { kind: 'not-renewable' }
  const claimed = await claim(options, name, record)
  if (claimed.kind !== 'held') return claimed
  const held = { name, record: claimed.record, issuer, refreshToken, isAfterAbandoned: spec.renewal !== undefined }
  return conclude(options, held, await issuer.refresh(refreshToken, spec.subject))
}

type Claimed = Renewal | { readonly kind: 'held'; readonly record: WorkspaceSession }

async function claim(options: RenewalOptions, name: SessionName, record: WorkspaceSession): Promise<Claimed> {
  const { sessions, clock, replica, seenClaims } = options
  const { renewal } = record.spec
  const now = clock.now()
  const isFree = !renewal || renewal.by === replica || seenClaims.isAbandoned(name, renewal, claimLifetime, now)
  if (!isFree) return { kind: 'claimed' }
  const until = rfc3339Of(now + claimLifetime)
  try {
    const held = await sessions.replace({ ...record, spec: { ...record.spec, renewal: { by: replica, until } } })
    return { kind: 'held', record: held }
  } catch (error) {
    if (codeOf(error) === 'conflict') return { kind: 'claimed' }
    if (codeOf(error) === 'not_found') return { kind: 'ended' }
    throw error
  }
}

function conclude(options: RenewalOptions, claim: Claim, answer: Refreshed): Promise<Renewal> {
  switch (answer.kind) {
    case 'unchanged':
      return write(options, claim, answer.tokens, undefined)
    case 'vouched': {
      const mapping = mapClaims(answer.claims, claim.issuer.settings)
      if (mapping.kind === 'refused') return end(options, claim, mapping.reason, answer.tokens)
      // A person with another name is another principal, and logs in as such.
      if (mapping.identity.username !== claim.record.spec.username) {
        return end(options, claim, 'username_changed', answer.tokens)
      }
      return write(options, claim, answer.tokens, mapping.identity)
    }
    case 'refused':
      return refused(options, claim, answer.reason, answer.tokens)
    case 'unavailable':
      return failed(options, claim, `unavailable: ${answer.detail}`, {
        isOutcomeKnown: !answer.isSent,
        tokens: answer.tokens,
      })
  }
}

async function refused(
  options: RenewalOptions,
  claim: Claim,
  reason: string,
  tokens: IssuerTokens | undefined,
): Promise<Renewal> {
  if (reason !== 'code_refused') return failed(options, claim, reason, { isOutcomeKnown: true, tokens })
  if (!claim.isAfterAbandoned) return end(options, claim, reason, tokens)
  options.metrics.renewals('refused').add()
  // The one who abandoned its claim may have used the token up, so this says nothing about the person.
  options.log.warn(
    { component: 'renewal', session: claim.name, reason },
    'renewal of a session has ended after an abandoned try',
  )
  await rewrite(options, claim.record, ({ refreshToken: _usedUp, renewal: _over, ...spec }) => spec)
  return { kind: 'not-renewable' }
}

/** The session lives on as it was. A claim whose outcome nobody knows stays, as a sign that the refresh token may be used up. */
async function failed(
  options: RenewalOptions,
  claim: Claim,
  reason: string,
  known: { readonly isOutcomeKnown: boolean; readonly tokens: IssuerTokens | undefined },
): Promise<Renewal> {
  options.metrics.renewals('failed').add()
  options.log.warn({ component: 'renewal', session: claim.name, reason }, 'a session could not be renewed')
  const { isOutcomeKnown, tokens } = known
  if (isOutcomeKnown || tokens?.refreshToken) {
    const sealed = tokens ? sealTokens(options.sealer, claim.name, { refreshToken: tokens.refreshToken }) : {}
    await rewrite(options, claim.record, ({ renewal: _over, ...spec }) => ({ ...spec, ...sealed }))
  }
  return { kind: 'failed', reason }
}

async function end(
  options: RenewalOptions,
  { name, issuer, refreshToken }: Claim,
  reason: string,
  tokens: IssuerTokens | undefined,
): Promise<Renewal> {
  options.metrics.renewals('refused').add()
  options.log.info({ component: 'renewal', session: name, reason }, 'the issuer no longer vouches for a session')
  await options.sessions.end(name, 'refused-by-issuer')
  // Without a new one it is the one before that the issuer still takes.
  await revoke(options, issuer, tokens && { refreshToken: tokens.refreshToken ?? refreshToken })
  return { kind: 'ended' }
}

async function write(
  options: RenewalOptions,
  claim: Claim,
  tokens: IssuerTokens,
  identity: Identity | undefined,
): Promise<Renewal> {
  const { sessions, clock, signal, log, metrics } = options
  let record: WorkspaceSession | undefined = claim.record
  for (const pause of writePauses) {
    // Ended here while the issuer was asked: it must not come back.
    const live: WorkspaceSession | undefined = sessions.get(claim.name) && record
    const written = live ? await extended(options, live, { ...tokens, identity }) : 'gone'
    if (written === 'written') {
      metrics.renewals('ok').add()
      return { kind: 'renewed' }
    }
    if (written === 'gone') {
      await revoke(options, claim.issuer, tokens)
      return { kind: 'ended' }
    }
    if (written === 'conflict') record = await sessions.fetchRecord(claim.name)
    else await sleep(clock, pause, signal)
  }
  metrics.renewals('failed').add()
  log.error(
    { component: 'renewal', session: claim.name },
    'a renewed session could not be written; its refresh token is lost',
  )
  return { kind: 'failed', reason: 'store_unavailable' }
}

async function extended(
  { sessions }: RenewalOptions,
  record: WorkspaceSession,
  renewed: Renewed,
): Promise<'written' | 'gone' | 'conflict' | 'unavailable'> {
  try {
    await sessions.extend(record, renewed)
    return 'written'
  } catch (error) {
    switch (codeOf(error)) {
      case 'not_found':
        return 'gone'
      case 'conflict':
        return 'conflict'
      case 'store_unavailable':
        return 'unavailable'
      default:
        throw error
    }
  }
}

async function rewrite(
  { sessions, log }: RenewalOptions,
  record: WorkspaceSession,
  change: (spec: WorkspaceSession['spec']) => WorkspaceSession['spec'],
): Promise<void> {
  try {
    await sessions.replace({ ...record, spec: change(record.spec) })
  } catch (error) {
    // Then the claim runs out by itself, and the next one takes it for abandoned.
    log.warn({ component: 'renewal', session: record.metadata.name, error }, 'a claim could not be given back')
  }
}

async function revoke({ log }: RenewalOptions, issuer: Issuer, tokens: IssuerTokens | undefined): Promise<void> {
  if (!tokens?.refreshToken) return
  try {
    await issuer.revoke(tokens.refreshToken)
  } catch (error) {
    log.warn({ component: 'renewal', issuer: issuer.settings.id, error }, 'a refresh token could not be revoked')
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof GatewayError ? error.code : undefined
}
