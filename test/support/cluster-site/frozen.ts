/**
 * A part of a cluster's control plane that stands still for a while, by the program that runs the cluster (`GATEHOUSE_CLUSTER`). Its controllers and its
 * scheduler give up and end when they can't renew their leases, as they do anywhere, and are started again afterwards.
 */
import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'

export type ControlPlanePart = 'kube-apiserver' | 'etcd'

/** Longer than any test of it: somebody may end the tests in the middle, and the cluster must not stay frozen. */
const longestSeconds = 180

export interface Frozen extends AsyncDisposable {
  /** It goes on. */
  thaw(): Promise<void>
}

/** @param program is the cluster's. Thawed when disposed of, if not before. */
export async function freeze(program: string, part: ControlPlanePart): Promise<Frozen> {
  const run = (...args: readonly string[]) => promisify(execFile)(program, [...args])
  const guard = spawn('sh', ['-c', `sleep ${longestSeconds}; "$0" thaw ${part}`, program], {
    detached: true,
    stdio: 'ignore',
  })
  guard.unref()
  await run('freeze', part)
  const state = { isFrozen: true }
  const thaw = async () => {
    if (state.isFrozen) await run('thaw', part)
    state.isFrozen = false
  }
  return {
    thaw,
    async [Symbol.asyncDispose]() {
      await thaw()
      if (guard.pid !== undefined) process.kill(-guard.pid, 'SIGTERM')
      // Starts what is not running, and leaves the rest alone.
      await run('up')
    },
  }
}
