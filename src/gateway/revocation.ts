/**
 * Everything live is decided again when something it rests on changes: a share, a stop, a deletion, a logout, a changed group.
 * What is no longer permitted ends now, and nobody else's.
 */
import type { Session } from '#identity/session.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import type { EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import type { Log } from '#observe/log.ts'
import { type AccessPolicy, decideAccess, type Grant } from '#workspace/access.ts'
import { webUi } from '#workspace/connections.ts'
import type { Directory, DirectoryChange, WorkspaceEntry } from '#workspace/directory.ts'
import { mayConnect } from '#workspace/reviewing.ts'
import type { Decision, Reviews } from '#workspace/reviews.ts'
import { readPart } from './part.ts'
import { portOfTunnel, type TunnelPolicy } from './tunnel-policy.ts'

const accessEnded: EndReason = { code: 1008, reason: 'access ended' }
const notConfirmed: EndReason = { code: 1008, reason: 'access not confirmed' }
const sessionEnded: EndReason = { code: 1008, reason: 'session ended' }
const sessionExpired: EndReason = { ...sessionEnded, ofTunnel: { code: 4001, reason: 'session expired' } }
const stopping: EndReason = { code: 1001, reason: 'workspace stopping' }
const deleted: EndReason = { code: 1001, reason: 'workspace deleted' }

/** A review of what is live is in use by it: asked again ahead of its end, and so a no is heard of within 25 s. */
const reviewedEvery: Milliseconds = 5_000

export type SessionChange =
  | { readonly type: 'changed'; readonly session: Session }
  /** `why`: `expired` where its time was up. */
  | { readonly type: 'ended'; readonly session: Session; readonly why?: string }

export interface RevocationParts {
  readonly directory: Directory
  readonly streams: StreamIndex
  readonly policy: AccessPolicy
  readonly tunnels: TunnelPolicy
  readonly reviews?: Reviews
  readonly clock: Clock
  readonly log: Log
  readonly sessionOf: (name: string) => Session | undefined
  readonly subscribeSessions: (listener: (change: SessionChange) => void) => Disposable
}

export function revokeOnChange(parts: RevocationParts): Disposable {
  const { directory, streams } = parts
  const onDirectory = directory.subscribe((change) => {
    if (change.before)
      for (const group of streams.ofWorkspace(change.before.uid)) endIf(group, afterChange(parts, group, change))
  })
  const onSessions = parts.subscribeSessions((change) => {
    for (const group of streams.ofSession(change.session.name)) {
      endIf(
        group,
        change.type === 'ended' ? endOf(change.why) : verdictOf(parts, group, directory.findByUid(group.key.workspace)),
      )
    }
  })
  const onReviews = parts.reviews && reviewLive(parts, parts.reviews)
  return {
    [Symbol.dispose]() {
      onDirectory[Symbol.dispose]()
      onSessions[Symbol.dispose]()
      onReviews?.[Symbol.dispose]()
    },
  }
}

/** Keeps the reviews fresh that live streams rest on, and carries out what they say. */
function reviewLive(parts: RevocationParts, reviews: Reviews): Disposable {
  const { streams, clock, log, sessionOf } = parts
  const onTakenBack = reviews.subscribe(({ subject }) => {
    const isTheirs = (group: StreamGroup) => sessionOf(group.key.session)?.identity.username === subject.username
    decideEach(parts, streams.all().filter(isTheirs))
  })
  const decideAll = () => {
    timer = clock.after(reviewedEvery, decideAll)
    try {
      decideAllLive(parts)
    } catch (error) {
      log.error({ component: 'revocation', error }, 'streams could not be ended')
    }
  }
  let timer = clock.after(reviewedEvery, decideAll)
  return {
    [Symbol.dispose]() {
      onTakenBack[Symbol.dispose]()
      timer[Symbol.dispose]()
    },
  }
}

/** Decides everything live at once: what it rests on is not what it was opened under. */
export function decideAllLive(parts: RevocationParts): void {
  decideEach(parts, parts.streams.all())
}

/** All of them, whatever becomes of one. */
function decideEach(parts: RevocationParts, groups: readonly StreamGroup[]): void {
  const failures: unknown[] = []
  for (const group of groups) {
    try {
      endIf(group, verdictOf(parts, group, parts.directory.findByUid(group.key.workspace)))
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'streams could not be ended')
}

function endOf(why: string | undefined): EndReason {
  return why === 'expired' ? sessionExpired : sessionEnded
}

function endIf(group: StreamGroup, reason: EndReason | undefined): void {
  if (reason) group.end(reason)
}

function afterChange(parts: RevocationParts, group: StreamGroup, change: DirectoryChange): EndReason | undefined {
  const isSame = change.after !== undefined && change.after.uid === change.before?.uid
  return verdictOf(parts, group, isSame ? change.after : undefined)
}

/** Why this group has to end; `undefined` when it may go on. */
function verdictOf(
  parts: RevocationParts,
  group: StreamGroup,
  entry: WorkspaceEntry | undefined,
): EndReason | undefined {
  if (!entry) return deleted
  if (entry.workspace.spec.desiredStatus === 'Stopped') return stopping
  const session = parts.sessionOf(group.key.session)
  if (!session) return sessionEnded
  const { port: number, connectionType } = readPart(group.key.part)
  const isWeb = connectionType === webUi
  const port = isWeb
    ? entry.ports.find((candidate) => candidate.port === number)
    : portOfTunnel(parts.tunnels, entry, connectionType, number)
  if (!port) return accessEnded
  const decision = decideAccess(entry, session.identity, { port, connectionType }, parts.policy, parts.clock.now())
  return decision.allowed ? reviewOf(parts, group, { entry, session, grant: decision.grant }) : accessEnded
}

interface Permitted {
  readonly entry: WorkspaceEntry
  readonly session: Session
  readonly grant: Grant
}

const reviewEnds: Readonly<Record<Decision, EndReason | undefined>> = {
  allowed: undefined,
  denied: accessEnded,
  unavailable: notConfirmed,
}

/** What has to be asked for first is carried out when the answer comes, and goes on until then. */
function reviewOf(parts: RevocationParts, group: StreamGroup, permitted: Permitted): EndReason | undefined {
  const { reviews, sessionOf, log } = parts
  if (!reviews) return undefined
  const { entry, session, grant } = permitted
  const question = mayConnect(reviews, entry, session.identity, grant)
  const { kind } = reviews.standing(question)
  if (kind !== 'unasked') return reviewEnds[kind]
  const carryOut = (decision: Decision) => {
    // Somebody with other groups by now is another question, and that one was asked as well.
    if (sessionOf(session.name)?.identity === session.identity) endIf(group, reviewEnds[decision])
  }
  reviews
    .decide(question)
    .then(carryOut)
    .catch((error: unknown) => log.error({ component: 'revocation', error }, 'a stream could not be ended'))
  return undefined
}
