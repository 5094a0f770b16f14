/** One manifest file as the objects it declares, or as everything that is wrong with it. Reads no disk and no store. */
import { GatewayError, messageOf } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { readYaml, type YamlDocument } from './manifest-yaml.ts'
import { checkName, parseAnnotations, parseLabels } from './metadata.ts'
import { asJson, type ObjectKey, specText } from './stored-object.ts'

/** Why a file, or the whole folder, is not in force as it is. */
export interface ManifestProblem {
  /** Relative to the folder, with `/`; `.` is the folder itself. */
  readonly file: string
  /** From 1; 0 where the reason has no line. */
  readonly line: number
  readonly reason: string
}

export interface DeclaredObject {
  readonly key: ObjectKey
  readonly kind: ResourceKind<Resource>
  /** JSON, as are the next two. */
  readonly labels: string
  readonly annotations: string
  /** The `spec` as the file gives it, without defaults. */
  readonly declared: string
  readonly line: number
}

export type ManifestFile =
  | { readonly ok: true; readonly objects: readonly DeclaredObject[] }
  | { readonly ok: false; readonly problems: readonly ManifestProblem[] }

const defaultNamespace = 'default'

const topFields = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status'])
const metadataFields = new Set(['name', 'namespace', 'labels', 'annotations'])
/** What `kubectl get -o yaml` adds, and means nothing in a file: left out, as `status` is. */
const ignoredMetadataFields = new Set(['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'managedFields'])

/** Something wrong at one place of a document. */
class Fault extends Error {
  readonly path: readonly string[]
  constructor(path: readonly string[], reason: string) {
    super(reason)
    this.path = path
  }
}

/** `file` is only named in the problems. */
export function parseManifest(file: string, text: string, kinds: readonly ResourceKind<Resource>[]): ManifestFile {
  const yaml = readYaml(text)
  if (!yaml.ok) return { ok: false, problems: yaml.faults.map(({ line, reason }) => ({ file, line, reason })) }
  const objects: DeclaredObject[] = []
  const problems: ManifestProblem[] = []
  for (const document of yaml.documents) {
    try {
      objects.push(declaredBy(document, kinds))
    } catch (error) {
      for (const { path, message } of faultsOf(error)) {
        problems.push({ file, line: document.lineOf(path), reason: message })
      }
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, objects }
}

function declaredBy(document: YamlDocument, kinds: readonly ResourceKind<Resource>[]): DeclaredObject {
  const object = asJson(document.value)
  if (!isJsonObject(object)) throw new Fault([], 'is no object with apiVersion, kind, metadata and spec')
  refuseUnknown(object, topFields, [])
  const kind = kindOf(object, kinds)
  const metadata = object.metadata
  if (!isJsonObject(metadata)) throw new Fault(['metadata'], 'metadata with a name is missing')
  refuseUnknown(metadata, metadataFields.union(ignoredMetadataFields), ['metadata'])
  const { name, namespace = defaultNamespace } = metadata
  if (typeof name !== 'string') throw new Fault(['metadata', 'name'], 'metadata.name is missing, or no text')
  if (typeof namespace !== 'string') throw new Fault(['metadata', 'namespace'], 'metadata.namespace is no text')
  at(['metadata', 'name'], () => checkName(namespace, name))
  const spec = object.spec ?? {}
  specOf(kind, spec)
  return {
    key: { group: kind.group, kind: kind.kind, namespace, name },
    kind,
    labels: at(['metadata', 'labels'], () => JSON.stringify(parseLabels(metadata.labels))),
    annotations: at(['metadata', 'annotations'], () => JSON.stringify(parseAnnotations(metadata.annotations))),
    declared: JSON.stringify(spec),
    line: document.lineOf([]),
  }
}

function kindOf(object: Readonly<Record<string, unknown>>, kinds: readonly ResourceKind<Resource>[]) {
  const { apiVersion, kind: kindName } = object
  const kind = kinds.find((known) => known.kind === kindName && `${known.group}/${known.version}` === apiVersion)
  if (kind) return kind
  const known = kinds.map(({ group, version, kind: one }) => `${one} of ${group}/${version}`).join(', ')
  const field = kinds.some((one) => one.kind === kindName) ? 'apiVersion' : 'kind'
  throw new Fault([field], `kind '${said(kindName)}' of '${said(apiVersion)}' is not known here; known: ${known}`)
}

function said(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function refuseUnknown(object: Readonly<Record<string, unknown>>, known: ReadonlySet<string>, path: readonly string[]) {
  const unknown = Object.keys(object).find((field) => !known.has(field))
  if (unknown !== undefined) throw new Fault([...path, unknown], `'${[...path, unknown].join('.')}' is not known here`)
}

function specOf(kind: ResourceKind<Resource>, spec: unknown): void {
  try {
    specText(kind, spec)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    // A union says the same about each of its members.
    throw new AggregateError([...new Set(error.message.split('; '))].map(specFault))
  }
}

/** A kind says faults as `/ports/0/port must be integer`, the place being a JSON pointer (RFC 6901) within `spec`. */
function specFault(message: string): Fault {
  const [, pointer, reason] = /^(\/\S*) (.*)$/s.exec(message) ?? []
  if (pointer === undefined) return new Fault(['spec'], message)
  const steps = pointer.split('/').filter((step) => step !== '')
  const path = ['spec', ...steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))]
  return new Fault(path, `${path.join('.')} ${reason ?? ''}`)
}

function at<R>(path: readonly string[], parse: () => R): R {
  try {
    return parse()
  } catch (error) {
    throw new Fault(path, messageOf(error))
  }
}

function faultsOf(error: unknown): readonly Fault[] {
  if (error instanceof AggregateError) return error.errors.flatMap(faultsOf)
  return [error instanceof Fault ? error : new Fault([], messageOf(error))]
}
