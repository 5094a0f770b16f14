/** The person's own `~/.ssh/config`: changed as a whole or not at all, with its mode, behind whatever link leads to it, and not when somebody else changes it meanwhile. */
import { randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CliFault } from '#cli/client/cli-fault.ts'
import { codeOf } from '#cli/client/private-file.ts'

/** One character a byte; `undefined` where there is none. Throws `not_read`. */
export async function readUserConfig(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new CliFault('not_read', `${path} could not be read: ${String(error)}`, { cause: error })
  }
}

/** `edit` gives the new text; the same one: nothing is written. Whether anything was. Throws `not_read`, `not_written`. */
export async function editUserConfig(path: string, edit: (text: string) => string): Promise<boolean> {
  const before = await readUserConfig(path)
  const after = edit(before ?? '')
  if (after === (before ?? '')) return false
  if (before === undefined && (await isLink(path)))
    throw new CliFault('not_written', `${path} leads to a file that is not there`)
  try {
    const target = before === undefined ? path : await realpath(path)
    const mode = before === undefined ? 0o600 : (await stat(target)).mode & 0o777
    await replace(target, { after, mode, isStill: async () => (await readUserConfig(path)) === before })
    return true
  } catch (error) {
    if (error instanceof CliFault) throw error
    throw new CliFault('not_written', `${path} could not be written: ${String(error)}`, { cause: error })
  }
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  )
}

async function replace(
  target: string,
  { after, mode, isStill }: { after: string; mode: number; isStill: () => Promise<boolean> },
): Promise<void> {
  const draft = `${target}.${process.pid}.${randomBytes(4).toString('hex')}`
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(after, 'latin1')
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(draft, mode)
    if (!(await isStill())) throw new CliFault('not_written', `${target} was changed meanwhile`, { hint: 'Try again.' })
    await rename(draft, target)
  } finally {
    await rm(draft, { force: true })
  }
}
