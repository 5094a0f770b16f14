/**
 * In which order test files begin: those that mostly wait come first, so that no worker is left with one of them when all else is done; those that
 * share processes come last, one after another.
 */
import { BaseSequencer } from 'vitest/node'

/** The longest first, of those that begin together; the others by their size. */
const slow = [
  ...['cluster/one-replica', 'cluster/revocation', 'cluster/places', 'cluster/cut-watches', 'cluster/idle.test'],
  // Beside the minutes in which a cluster stands still: what mostly waits as well.
  ...['cluster/freezing/', 'soak/soak', 'behaviour/jupyter/idle', 'behaviour/laptop/idle', 'behaviour/activity/'],
  ...['fuzz/', 'browser/', 'behaviour/code-server/', 'soak/', 'behaviour/laptop/', 'behaviour/jupyter/'],
  ...['behaviour/gateway/activity', 'behaviour/ssh/', 'behaviour/cli/', 'security/slowloris'],
  ...['security/issuer-redirection', 'behaviour/gateway/half-open', 'behaviour/gateway/uncaught-exceptions'],
  // They time a gateway on a machine that does nothing else, such as to remove what another test has made in the cluster.
  ...['cluster/many-workspaces', 'bench/bench'],
].map((path) => `/test/${path}`)

export class SlowestFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer['sort']>[0]): ReturnType<BaseSequencer['sort']> {
    const rank = ({ moduleId, project }: (typeof files)[number]) => {
      const found = slow.findIndex((path) => moduleId.includes(path))
      return (project.config.isolate ? 0 : slow.length + 1) + (found === -1 ? slow.length : found)
    }
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}
