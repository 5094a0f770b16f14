/**
 * Everything live is decided again when something it rests on changes: a share, a stop, a deletion, a logout, a changed group.
 * What is no longer permitted ends now, and nobody else's.
 */
import type { Session } from '#identity/session.ts'
import type { Clock } from '#lib/clock.ts'
import type { EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import { type AccessPolicy, decideAccess } from '#workspace/access.ts'
import type { Directory, DirectoryChange, WorkspaceEntry } from '#workspace/directory.ts'

const accessEnded: EndReason = { code: 1008, reason: 'access ended' }
const sessionEnded: EndReason = { code: 1008, reason: 'session ended' }
const stopping: EndReason = { code: 1001, reason: 'workspace stopping' }
const deleted: EndReason = { code: 1001, reason: 'workspace deleted' }

export type SessionChange =
  | { readonly type: 'changed'; readonly session: Session }
  | { readonly type: 'ended'; readonly session: Session }

export interface RevocationParts {
  readonly directory: Directory
  readonly streams: StreamIndex
  readonly policy: AccessPolicy
  readonly clock: Clock
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
        change.type === 'ended' ? sessionEnded : verdictOf(parts, group, directory.findByUid(group.key.workspace)),
      )
    }
  })
  return {
    [Symbol.dispose]() {
      onDirectory[Symbol.dispose]()
      onSessions[Symbol.dispose]()
    },
  }
}

/** Decides everything live at once: what it rests on is not what it was opened under. All of it, whatever becomes of one. */
export function decideAllLive(parts: RevocationParts): void {
  const failures: unknown[] = []
  for (const group of parts.streams.all()) {
    try {
      endIf(group, verdictOf(parts, group, parts.directory.findByUid(group.key.workspace)))
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'streams could not be ended')
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
  const port = entry.ports.find((candidate) => String(candidate.port) === group.key.part)
  if (!port) return accessEnded
  const decision = decideAccess(
    entry,
    session.identity,
    { port, connectionType: 'web-ui' },
    parts.policy,
    parts.clock.now(),
  )
  return decision.allowed ? undefined : accessEnded
}
