/** Files that are for one person alone: written whole or not at all, and not believed when somebody else can read or write them. */
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CliFault } from './cli-fault.ts'

/** Makes the folder too, for its owner alone. Whoever reads meanwhile sees the old content or the new one (rename(2)). Throws `not_written`. */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const draft = `${path}.${process.pid}.${crypto.randomUUID().slice(0, 8)}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw new CliFault('not_written', `${path} could not be written: ${String(error)}`, { cause: error })
  }
}

/** `undefined` where there is none. `secret`: it is refused when others than its owner may read it. Windows keeps that by folder, and is not asked. */
export async function readPrivateFile(
  path: string,
  { platform, secret }: { readonly platform: string; readonly secret: boolean },
): Promise<string | undefined> {
  try {
    if (secret && platform !== 'win32') await refuseShared(path)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    if (error instanceof CliFault) throw error
    throw new CliFault('not_read', `${path} could not be read: ${String(error)}`, { cause: error })
  }
}

async function refuseShared(path: string): Promise<void> {
  const { mode, uid } = await stat(path)
  const own = process.getuid?.()
  if ((mode & 0o077) === 0 && (own === undefined || uid === own)) return
  throw new CliFault(
    'login_exposed',
    `${path} holds a login, and is not yours alone (mode ${(mode & 0o777).toString(8)})`,
    {
      hint: 'Others may have read it: run "gatehouse logout", then "gatehouse login".',
    },
  )
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
