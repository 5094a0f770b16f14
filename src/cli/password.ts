/** The one password of the laptop's users: chosen by whoever starts it, or made at the first start and kept where only they can read it. */
import { randomInt } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Secret } from '#settings/secret.ts'

const letters = 'abcdefghjkmnpqrstuvwxyz23456789'

export async function demoPassword(home: string, chosen: Secret | undefined): Promise<Secret> {
  if (chosen) return chosen
  const file = join(home, 'password')
  try {
    const kept = (await readFile(file, 'utf8')).trim()
    if (kept !== '') return new Secret(kept)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  const made = Array.from({ length: 4 }, () => word()).join('-')
  await writeFile(file, `${made}\n`, { mode: 0o600 })
  return new Secret(made)
}

function word(): string {
  return Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('')
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
