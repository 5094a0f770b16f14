/**
 * nginx as it would be written by hand for as many workspaces: a block and kept connections for each, nobody logs in, nothing is decided. It is
 * what going round costs by itself: sockets and memory that were not touched since the last round are in no cache of the processor.
 */
import { freePort } from '#test/support/free-port.ts'
import { writeNginx } from '../contenders/nginx.ts'
import { listening, type Pinned, pinned } from '../measure.ts'
import type { Visitor } from './visitor.ts'
import type { Chain } from './workspace-chain.ts'

export interface PlainProxy extends Pinned {
  readonly host: string
  readonly port: number
}

export async function startPlainProxy(
  chains: readonly Chain[],
  to: { readonly core: number; readonly appPort: number; readonly visitor: Visitor },
): Promise<PlainProxy> {
  const port = await freePort()
  const proxy = await pinned(to.core, 'nginx', ['-c', configuration(chains, port, to)])
  await listening(port)
  return { ...proxy, host: '127.0.0.1', port }
}

function configuration(
  chains: readonly Chain[],
  port: number,
  { appPort, visitor }: { readonly appPort: number; readonly visitor: Visitor },
): string {
  const upstreams = chains.map(
    ({ address }, at) =>
      `upstream u${at} { server ${address}:${appPort}; keepalive 32; keepalive_requests 100000000; }`,
  )
  const hosts = chains.map((chain, at) => `${visitor.headersFor(chain).host.replace(/:\d+$/, '')} u${at};`)
  return writeNginx(`map_hash_max_size 65536; map_hash_bucket_size 256;
map $host $workspace { default "";
${hosts.join('\n')}
}
${upstreams.join('\n')}
server { listen 127.0.0.1:${port} backlog=4096;
  location / { proxy_pass http://$workspace; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection ""; }
}`)
}
