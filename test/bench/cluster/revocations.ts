/**
 * How soon the sockets of a share are closed after the API server has said that the share is deleted: in each round somebody has one open at every
 * replica, and what counts is what each of these clients sees.
 */
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import { freePort } from '#test/support/free-port.ts'
import { addressOf } from './population.ts'
import type { Replica } from './replica.ts'
import { type BenchSite, people } from './site.ts'
import { type Latencies, latenciesOf } from './table.ts'
import type { Headers, Visitor } from './visitor.ts'
import { createChain, deletion } from './workspace-chain.ts'

export interface RevocationParts {
  readonly site: BenchSite
  readonly replicas: readonly Replica[]
  /** Somebody who has no other grant. */
  readonly guest: Visitor
  readonly rounds: number
  /** Of an address that no workspace has. */
  readonly freeAddress: number
}

const shares = { group: 'workspace.jupyter.org', version: 'v1alpha1', plural: 'workspaceshares' }
const patience = 30_000

/** Of each socket. Throws when one is closed for another reason. */
export async function measureRevocations(parts: RevocationParts): Promise<Latencies> {
  const { site, guest, rounds } = parts
  const [namespace = ''] = site.namespaces
  const name = `shared-${randomBytes(4).toString('hex')}`
  const port = await freePort()
  await using _app = await startApp(port)
  const address = addressOf(parts.freeAddress)
  await createChain(site.client, { namespace, name, address, owner: people.owner, manager: site.manager, port })
  const headers = guest.headersFor({ namespace, name })
  const taken: number[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const share = { namespace, name: `${name}-${round}` }
    await site.client.post(resourcePath(shares, { namespace }), shareOf(share, name))
    const sockets = await Promise.all(parts.replicas.map((replica) => openSocket(replica, headers)))
    const closings = sockets.map(closingOf)
    await site.client.delete(resourcePath(shares, share), deletion)
    const deletedAt = performance.now()
    for (const closed of await Promise.all(closings)) taken.push(Math.max(closed - deletedAt, 0))
  }
  return latenciesOf(taken)
}

function shareOf(metadata: object, workspace: string): object {
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'WorkspaceShare',
    metadata,
    spec: { workspaces: [{ name: workspace }], grantees: [{ kind: 'User', name: people.guest }] },
  }
}

/** Tries until the replica has heard of the share. */
async function openSocket(replica: Replica, headers: Headers): Promise<WebSocket> {
  const end = performance.now() + patience
  for (;;) {
    const socket = await trySocket(replica, headers)
    if (socket) return socket
    if (performance.now() > end) throw new Error(`${replica.host}: the share lets nobody in`)
    await wait(20)
  }
}

function trySocket({ host, port }: Replica, headers: Headers): Promise<WebSocket | undefined> {
  const socket = new WebSocket(`ws://${host}:${port}/`, {
    headers: { ...headers, origin: `https://${headers.host}` },
    perMessageDeflate: false,
  })
  return new Promise((resolve) => {
    socket.once('open', () => resolve(socket))
    socket.on('error', () => resolve(undefined))
  })
}

function closingOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once('close', (code) => {
      if (code === 1008) resolve(performance.now())
      else reject(new Error(`a socket was closed with ${code}`))
    })
    setTimeout(() => reject(new Error(`a socket is open after ${patience} ms`)), patience).unref()
  })
}

/** Takes every WebSocket and says nothing. */
async function startApp(port: number): Promise<AsyncDisposable> {
  const server = createServer((_request, response) => response.end())
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const client of sockets.clients) client.terminate()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
