/** The objects that manifest files declare, in the store: what there are, and a plan made true in one transaction. */
import type { Uid } from '#resources/contract.ts'
import { guarded } from './database.ts'
import type { EmbeddedParts } from './embedded-resources.ts'
import type { DeclaredObject } from './manifest-file.ts'
import type { Holdings, ManifestPlan, SourcedObject } from './manifest-plan.ts'
import type { KindName } from './object-table.ts'
import { type ObjectWriter, writeObjects } from './object-writer.ts'
import { redeclared } from './overlay.ts'

/** How many objects a plan has changed. */
export interface Applied {
  readonly added: number
  readonly modified: number
  readonly deleted: number
}

/** For `watchManifests` alone. All methods throw `store_unavailable`. */
export interface DeclaredObjects {
  holdings(): Holdings
  isDeclared(kind: KindName, uid: Uid): boolean
  /** All of it, or nothing. */
  apply(plan: ManifestPlan): Applied
}

export function declaredObjects(parts: Pick<EmbeddedParts, 'db' | 'table' | 'events' | 'clock'>): DeclaredObjects {
  const { table } = parts
  return {
    holdings: () => ({
      sourced: guarded(() => table.listSourced()).flatMap((object) =>
        object.source === null ? [] : [{ ...object, source: object.source }],
      ),
      isForeign: (key) => guarded(() => table.find(key))?.source === null,
    }),
    isDeclared: ({ group, kind }, uid) => {
      const object = guarded(() => table.findUid(uid))
      return object?.group === group && object.kind === kind && object.source !== null
    },
    apply: (plan) =>
      writeObjects(parts, (writer) => {
        for (const { file, object } of plan.put) put(writer, file, object)
        for (const object of plan.remove) remove(writer, object)
        const count = (type: string) => writer.changes.filter((change) => change.type === type).length
        return { added: count('added'), modified: count('modified'), deleted: count('deleted') }
      }),
  }
}

function put(writer: ObjectWriter, file: string, object: DeclaredObject): void {
  const { key, kind, labels, annotations } = object
  const current = writer.find(key)
  const content = { labels, annotations, ...redeclared(kind, current, object.declared), source: file }
  if (current) writer.update(current, content)
  else writer.create(key, { ...content, owners: '[]', status: null })
}

function remove(writer: ObjectWriter, object: SourcedObject): void {
  const current = writer.find(object)
  if (current) writer.remove(current)
}
