/**
 * What the store has to do so that it holds what a folder of manifests says. Pure.
 *
 * A file that is broken, for whatever reason, stays in force as it last was: its objects are neither changed nor deleted, and no other
 * file may take their names.
 */
import type { DeclaredObject, ManifestFile, ManifestProblem } from './manifest-file.ts'
import type { FolderSnapshot } from './manifest-folder.ts'
import { describeKey, type ObjectKey } from './stored-object.ts'

export interface SourcedObject extends ObjectKey {
  /** The file that declares it. */
  readonly source: string
}

export interface ManifestPlan {
  readonly put: readonly { readonly file: string; readonly object: DeclaredObject }[]
  readonly remove: readonly SourcedObject[]
  /** By file and line. */
  readonly problems: readonly ManifestProblem[]
}

export interface Holdings {
  /** What the store holds of files. */
  readonly sourced: readonly SourcedObject[]
  /** Whether the store holds an object that no file made. */
  isForeign(key: ObjectKey): boolean
}

type Snapshot = Pick<FolderSnapshot, 'files' | 'unreadable'>
type Problems = ReadonlyMap<string, readonly ManifestProblem[]>

export function planManifests(snapshot: Snapshot, holdings: Holdings): ManifestPlan {
  let broken: Problems = new Map([...snapshot.files].flatMap(([file, manifest]) => brokenEntry(file, manifest)))
  for (;;) {
    const claims = claimsOf(snapshot, holdings, broken)
    const refused = refusedFiles(snapshot, holdings, broken, claims)
    // A file that is refused stays as it was, which may claim other names: look again. Each round breaks at least one more.
    if (refused.size === 0) return planOf(snapshot, holdings, broken, claims)
    broken = new Map([...broken, ...refused])
  }
}

function brokenEntry(file: string, manifest: ManifestFile): [string, readonly ManifestProblem[]][] {
  return manifest.ok ? [] : [[file, manifest.problems]]
}

/**
 * Which file has which name: first those whose last good version is in force, then those who have it already,
 * then whoever comes first in the order of paths.
 */
function claimsOf(snapshot: Snapshot, { sourced }: Holdings, broken: Problems): ReadonlyMap<string, string> {
  const claims = new Map<string, string>()
  for (const object of sourced) {
    if (isKept(object.source, snapshot, broken)) claims.set(keyText(object), object.source)
  }
  const declared = goodObjects(snapshot, broken).map(({ file, object }) => ({ file, key: keyText(object.key) }))
  const holders = new Map(sourced.map((object) => [keyText(object), object.source]))
  for (const { file, key } of declared) if (holders.get(key) === file) claims.set(key, file)
  for (const { file, key } of declared) if (!claims.has(key)) claims.set(key, file)
  return claims
}

/** Files that say a name which is another one's, or say one twice. */
function refusedFiles(
  snapshot: Snapshot,
  holdings: Holdings,
  broken: Problems,
  claims: ReadonlyMap<string, string>,
): Problems {
  const refused = new Map<string, ManifestProblem[]>()
  const seen = new Set<string>()
  for (const { file, object } of goodObjects(snapshot, broken)) {
    // Per file: whose name it is among files, the claims say.
    const key = JSON.stringify([file, keyText(object.key)])
    const reason = refusal(file, object, { claims, isSeen: seen.has(key), isForeign: holdings.isForeign(object.key) })
    seen.add(key)
    if (reason !== undefined) {
      refused.set(file, [...(refused.get(file) ?? []), { file, line: object.line, reason }])
    }
  }
  return refused
}

function refusal(
  file: string,
  object: DeclaredObject,
  known: { claims: ReadonlyMap<string, string>; isSeen: boolean; isForeign: boolean },
): string | undefined {
  const holder = known.claims.get(keyText(object.key)) ?? file
  const what = describeKey(object.key)
  if (holder !== file) return `${what} is already given by ${holder}`
  if (known.isSeen) return `${what} is there twice`
  return known.isForeign ? `${what} exists already and was not made by a file: delete it first` : undefined
}

function planOf(
  snapshot: Snapshot,
  { sourced }: Holdings,
  broken: Problems,
  claims: ReadonlyMap<string, string>,
): ManifestPlan {
  const problems = [...snapshot.unreadable, ...[...broken.values()].flat()]
  return {
    put: goodObjects(snapshot, broken),
    remove: sourced.filter((object) => !claims.has(keyText(object))),
    problems: problems.toSorted((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1)),
  }
}

function goodObjects(snapshot: Snapshot, broken: Problems) {
  return [...snapshot.files].flatMap(([file, manifest]) =>
    manifest.ok && !broken.has(file) ? manifest.objects.map((object) => ({ file, object })) : [],
  )
}

/** Whether what this file last said is in force. */
function isKept(file: string, { unreadable }: Snapshot, broken: Problems): boolean {
  return (
    broken.has(file) ||
    unreadable.some(({ file: path }) => path === '.' || path === file || file.startsWith(`${path}/`))
  )
}

/** Unambiguous: no two keys have the same text. */
function keyText({ group, kind, namespace, name }: ObjectKey): string {
  return JSON.stringify([group, kind, namespace, name])
}
