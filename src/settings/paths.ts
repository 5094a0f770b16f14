/** Relative paths mean something different in a file and on a command line, so each layer is made absolute before layers are laid over one another. */
import { resolve } from 'node:path'
import { type TSchema, Type } from 'typebox'
import { isTree } from './tree.ts'

/** `value` with each path of the schema resolved against `folder`. Values that don't fit the schema stay as they are. */
export function absolutePaths(schema: TSchema, value: unknown, folder: string): unknown {
  if (Type.IsString(schema)) {
    const isPath = 'format' in schema && schema.format === 'path'
    return isPath && typeof value === 'string' && value !== '' ? resolve(folder, value) : value
  }
  if (Type.IsArray(schema) && Array.isArray(value)) {
    const list: readonly unknown[] = value
    return list.map((item) => absolutePaths(schema.items, item, folder))
  }
  if (!Type.IsObject(schema) || !isTree(value)) return value
  const children = Object.entries(value).map(([key, child]): [string, unknown] => {
    const known = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined
    return [key, known === undefined ? child : absolutePaths(known, child, folder)]
  })
  return Object.fromEntries(children)
}
