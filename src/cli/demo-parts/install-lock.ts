/** One installation into a folder at a time, also between processes. Whoever died while it held the lock holds it no more. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import Type from 'typebox'
import { type Clock, sleep } from '#lib/clock.ts'
import { checkerOf } from '#lib/schema.ts'
import { stayAlive } from '#lib/stay-alive.ts'
import { isStill, readProcess } from '#runtime/processes/process-table.ts'

const checkHolder = checkerOf(Type.Object({ pid: Type.Integer({ minimum: 1 }), startTime: Type.String() }))

export interface LockOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Called once when somebody else holds it. */
  readonly onWait: (pid: number) => void
}

/** Rejects with the signal's reason when it is aborted while waiting. */
export async function lockFile(path: string, options: LockOptions): Promise<AsyncDisposable> {
  const { clock, onWait, signal } = options
  using _alive = stayAlive()
  let isTold = false
  while (!(await take(path))) {
    const holder = await holderOf(path)
    if (holder && isStill(holder)) {
      if (!isTold) onWait(holder.pid)
      isTold = true
      await sleep(clock, 500, signal)
    } else {
      await rm(path, { force: true })
    }
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) }
}

async function take(path: string): Promise<boolean> {
  const { pid } = process
  try {
    const text = JSON.stringify({ pid, startTime: readProcess(pid)?.startTime ?? '' })
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

async function holderOf(path: string): Promise<{ pid: number; startTime: string } | undefined> {
  try {
    const checked = checkHolder(JSON.parse(await readFile(path, 'utf8')))
    return checked.ok ? checked.value : undefined
  } catch {
    return undefined // given back meanwhile, or cut off by a crash
  }
}
