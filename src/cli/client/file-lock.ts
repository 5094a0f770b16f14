/**
 * One process at a time, by a file that only one can make (`O_EXCL`). It names its holder, so that one whose holder is gone can be taken over.
 * What it guards has to be harmless when done twice: one who is stopped for longer than anybody waits for him goes on beside his successor.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import { CliFault } from './cli-fault.ts'
import { codeOf } from './private-file.ts'

export interface LockOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** From then on its holder is taken for dead, whatever it was: longer than anything that is done under it. */
  readonly longest: Milliseconds
}

const pause: Milliseconds = 50

/** Waits for it. Disposing the lock gives it back; the lock of somebody who has taken over meanwhile is left alone. */
export async function takeLock(path: string, options: LockOptions): Promise<AsyncDisposable> {
  for (;;) {
    const lock = await tryLock(path, options)
    if (lock) return lock
    await sleep(options.clock, pause, options.signal)
  }
}

/** `undefined`: somebody else has it. Throws `not_written` where no file can be made or taken away. */
export async function tryLock(path: string, options: LockOptions): Promise<AsyncDisposable | undefined> {
  try {
    return await attempt(path, options)
  } catch (error) {
    throw new CliFault('not_written', `${dirname(path)} cannot be written: ${String(error)}`, { cause: error })
  }
}

async function attempt(path: string, options: LockOptions): Promise<AsyncDisposable | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const own = JSON.stringify({ pid: process.pid, host: hostname(), id: randomUUID() })
  if (await create(path, own)) return { [Symbol.asyncDispose]: () => release(path, own) }
  const content = await read(path)
  if (content !== undefined && (await isAbandoned(path, content, options))) await clear(path, content, options)
  return undefined
}

async function create(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(content)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // On Windows one that is about to be deleted refuses everything for a moment.
    if (codeOf(error) === 'EPERM' && (await read(path)) !== undefined) return false
    throw error
  }
}

async function release(path: string, own: string): Promise<void> {
  if ((await read(path)) === own) await rm(path, { force: true })
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function isAbandoned(path: string, content: string, { clock, longest }: LockOptions): Promise<boolean> {
  const holder = holderOf(content)
  if (holder && holder.host === hostname() && !isAlive(holder.pid)) return true
  return clock.now() - (await changedAt(path)) > longest
}

/** `undefined` for one that is not written yet: its age alone tells then. */
function holderOf(content: string): { readonly pid: number; readonly host: string } | undefined {
  try {
    const { pid, host }: { pid?: unknown; host?: unknown } = JSON.parse(content)
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/**
 * Takes away the lock that was judged, and no other: meanwhile somebody may have cleared it and somebody else have taken it. Only one clears at a time,
 * and the holder that was judged is gone, so that between the second look and the removal nobody else changes it.
 */
async function clear(path: string, judged: string, { clock, longest }: LockOptions): Promise<void> {
  const clearing = `${path}.clearing`
  if (!(await create(clearing, ''))) {
    // Whoever was at it is gone as well.
    if (clock.now() - (await changedAt(clearing)) > longest) await rm(clearing, { force: true })
    return
  }
  try {
    if ((await read(path)) === judged) await rm(path, { force: true })
  } finally {
    await rm(clearing, { force: true })
  }
}

/** Of a file that is gone: now and ever. */
async function changedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Number.POSITIVE_INFINITY
    throw error
  }
}
