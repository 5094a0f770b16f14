/**
 * Programs that come again and again for a workspace that is stopped, such as an IDE whose window is open: each time is told at once what is wrong,
 * and then kept waiting for longer, so that nobody's machine spins. Waiting starts nothing: only a person does that.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { type Milliseconds, sleep, type Timestamp } from '#lib/clock.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import type { CliFault } from './cli-fault.ts'
import { configFolder, pathOf } from './config-folder.ts'
import { parseJson, recordOf } from './deployments.ts'
import type { PersonIo } from './person-io.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

export interface PutOff {
  /** Says what is wrong now; resolves when it is time to fail. */
  wait(fault: CliFault): Promise<void>
  /** It runs. */
  reset(): Promise<void>
}

interface Refused {
  readonly times: number
  readonly at: Timestamp
}

const first: Milliseconds = 1_000
const longest: Milliseconds = 30_000
/** Whoever comes after this has not come again and again. */
const forgotten: Milliseconds = 5 * 60_000

type Io = Pick<PersonIo, 'env' | 'platform' | 'homeFolder' | 'clock' | 'signal' | 'stderr'>

export function putOff(io: Io, ref: WorkspaceRef): PutOff {
  const name = createHash('sha256').update(refKey(ref)).digest('hex').slice(0, 24)
  const path = pathOf(io.platform).join(configFolder(io), 'stopped', `${name}.json`)
  return {
    async wait({ message, hint }) {
      const { clock } = io
      const before = await refusedBefore(path, io)
      const times = before && clock.now() - before.at < forgotten ? before.times + 1 : 0
      await writePrivateFile(path, JSON.stringify({ times, at: clock.now() }))
      if (times === 0) return
      io.stderr.write(`gatehouse: ${message}${hint === undefined ? '' : ` ${hint}`}\n`)
      // Ctrl-C ends the wait as well.
      await sleep(clock, Math.min(longest, first * 2 ** (times - 1)), io.signal).catch(() => undefined)
    },
    reset: () => rm(path, { force: true }),
  }
}

async function refusedBefore(path: string, { platform }: Io): Promise<Refused | undefined> {
  const text = await readPrivateFile(path, { platform, secret: false })
  const { times, at } = recordOf(text === undefined ? undefined : parseJson(text)) ?? {}
  return typeof times === 'number' && typeof at === 'number' ? { times, at } : undefined
}
