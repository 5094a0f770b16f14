/** What stands for the apps in the pods: one server that answers at every address of theirs, and says the UID of the pod whose address it is. */

import { writeNginx } from '../contenders/nginx.ts'
import { listening, type Pinned, pinned } from '../measure.ts'
import { loadCore } from './scene.ts'
import type { Chain } from './workspace-chain.ts'

export async function startTarget(chains: readonly Chain[], port: number): Promise<Pinned> {
  const target = await pinned(loadCore, 'nginx', ['-c', configuration(chains, port)])
  await listening(port, chains[0]?.address)
  return target
}

function configuration(chains: readonly Chain[], port: number): string {
  const uids = chains.map(({ address, podUid }) => `${address} ${podUid};`).join('\n')
  return writeNginx(`map_hash_max_size 32768; map_hash_bucket_size 128;
map $server_addr $pod { default unknown;
${uids}
}
server { listen 0.0.0.0:${port} backlog=4096; location / { default_type text/plain; return 200 $pod; } }`)
}
