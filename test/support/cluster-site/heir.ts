/** A workspace whose pod gets the address that another one's had, and writes every byte that comes to it into its log. */
import { listObjects } from '../cluster-api.ts'
import type { ContainerConfig } from '../echo-container.ts'
import { until } from '../until.ts'
import type { NodeHand } from './node-hand.ts'
import type { ClusterSite, SiteReplica, SiteWorkspace } from './site.ts'

/**
 * Whoever knew the address must not wait for its pod that is no more, until he asks again whose it is: a machine that comes is asked by nobody, but it
 * asks for those that it sends something to, and they have heard then.
 */
const listener = `
import socket, socketserver, sys
for replica in sys.argv[1:]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b'', (replica, 9))
class Hear(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            print(data, flush=True)
            self.request.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 4\\r\\ncontent-type: text/plain\\r\\n\\r\\nheir')
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True
Server(('', 8888), Hear).serve_forever()
`

const containerBeside = (replicas: readonly SiteReplica[]): ContainerConfig => ({
  command: ['python3', '-c', listener],
  args: replicas.map(({ address }) => address),
})
const tries = 8

export interface Heir extends SiteWorkspace {
  /** Every byte that its pod was sent, as Python writes them. */
  heard(): Promise<string>
}

/** Bob's, and running. Somebody else's pod may be faster; then that address is waited for again. */
export async function inherit(site: ClusterSite, hand: NodeHand, address: string): Promise<Heir> {
  await hand.giveNext(address)
  const container = containerBeside(site.replicas)
  const workspace = await site.workspace('heir', { owner: 'bob', container })
  const { name } = workspace.ref
  for (let attempt = 1; ; attempt++) {
    const pod = await podOf(site, name)
    if (pod.address === address) return { ...workspace, heard: () => site.kubectl(['logs', pod.name]) }
    if (attempt === tries) throw new Error(`no pod got ${address}`)
    await hand.giveNext(address)
    await site.kubectl(['delete', 'pod', pod.name, '--grace-period=0', '--force'])
  }
}

export interface PodPlace {
  readonly name: string
  readonly uid: string
  readonly address: string
}

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string }
  readonly status: { readonly podIP?: string }
}

/** Of a workspace, once it has an address. */
export async function podOf({ team }: Pick<ClusterSite, 'team'>, workspace: string): Promise<PodPlace> {
  const labelSelector = `workspace.jupyter.org/workspace-name=${workspace}`
  return until(async () => {
    const pods = await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace: team, labelSelector })
    const pod = pods.find(({ metadata }) => metadata.deletionTimestamp === undefined)
    const address = pod?.status.podIP
    return pod && address ? { name: pod.metadata.name, uid: pod.metadata.uid, address } : undefined
  })
}
