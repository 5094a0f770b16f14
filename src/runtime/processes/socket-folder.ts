/** Unix sockets of the instances: in folders that only this user may enter, with paths short enough for the system. */
import { watch } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Log } from '#observe/log.ts'
import type { InstanceUid } from '#runtime/contract.ts'

/** Linux has room for 107 bytes (unix(7)), macOS for 103. */
const longestPath = 103
/** The longest name that goes below: one that VS Code makes in its runtime folder. */
const longestTail = '/00000000/vscode-ipc-00000000-0000-0000-0000-000000000000.sock'
const temporaryPrefix = 'gatehouse-'

/** The folder below which each instance gets its own: in `home`, or in `temporary` where the paths would get too long. */
export async function makeSocketsFolder(home: string, temporary: string): Promise<string> {
  const own = join(home, 's')
  if (Buffer.byteLength(own) + longestTail.length > longestPath) return mkdtemp(join(temporary, temporaryPrefix))
  await rm(own, { recursive: true, force: true })
  await mkdir(own, { mode: 0o700 })
  return own
}

/** Removes a folder that {@link makeSocketsFolder} made, and nothing else. */
export async function removeSocketsFolder(folder: string, home: string): Promise<void> {
  if (dirname(folder) !== home && !basename(folder).startsWith(temporaryPrefix)) return
  await rm(folder, { recursive: true, force: true })
}

export async function makeInstanceFolder(sockets: string, instance: InstanceUid): Promise<string> {
  const folder = join(sockets, instance.slice(0, 8))
  await mkdir(folder, { mode: 0o700 })
  return folder
}

export function socketPath(folder: string, port: number): string {
  return join(folder, `${port}.sock`)
}

/**
 * Closes each socket to others as soon as it appears (the folder is closed to them anyway), until the signal ends it.
 * A path that is something else than a socket is left alone.
 */
export function closeSocketsToOthers(folder: string, paths: readonly string[], log: Log, signal: AbortSignal): void {
  if (paths.length === 0) return
  const restrict = async (path: string) => {
    const found = await lstat(path).catch(() => undefined)
    if (found?.isSocket() && (found.mode & 0o777) !== 0o600) await chmod(path, 0o600)
  }
  const restrictAll = () => {
    Promise.all(paths.map(restrict)).catch((error: unknown) => log.warn({ error }, 'the mode of a socket stays'))
  }
  const complain = (error: unknown) => {
    if (!signal.aborted) log.warn({ error }, 'sockets keep the mode that the program gives them')
  }
  try {
    watch(folder, { persistent: false, signal }, restrictAll).on('error', complain)
  } catch (error) {
    complain(error)
  }
  restrictAll()
}
