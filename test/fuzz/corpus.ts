/** Cases that are worth keeping, each with what is to be learnt from it and what Gatehouse passes on of it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { RequestCase } from './request-case.ts'

const keptCase = Type.Object(
  {
    explanation: Type.String({ minLength: 20 }),
    /** Method and target of what Gatehouse passes on, in the order of the targets. */
    passes: Type.Array(Type.String()),
    messages: Type.Array(Type.Object({ head: Type.Array(Type.String()), body: Type.Array(Type.String()) })),
    cuts: Type.Array(Type.Number()),
  },
  { additionalProperties: false },
)

export interface KeptCase extends RequestCase {
  readonly name: string
  readonly passes: readonly string[]
}

const folder = join(import.meta.dirname, 'corpus')

/** Throws where a file is none. */
export function readCorpus(): readonly KeptCase[] {
  return readdirSync(folder)
    .toSorted()
    .map((file) => {
      const parsed: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      return { name: file.replace(/\.json$/, ''), ...Value.Parse(keptCase, parsed) }
    })
}
