/** The command line that this gateway hands out, where `npm run bundle` has made it. */
import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CliFile } from '#routes/cli-file.ts'

const made = join(import.meta.dirname, '../../dist/gatehouse.cjs')

/** Read once. `undefined`: there is none. */
export async function loadCliFile(path: string = made): Promise<CliFile | undefined> {
  try {
    const body = await readFile(path)
    const sum = hash('sha256', body, 'base64')
    return { body, etag: `"${sum.slice(0, 22)}"`, digest: `sha-256=:${sum}:` }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
