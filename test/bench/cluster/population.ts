/** Many running workspaces in several namespaces, each pod with an address of its own, which all lead to this machine. */
import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import { type Chain, type ChainWish, createChain } from './workspace-chain.ts'

const run = promisify(execFile)

/** For pods: nobody else's, and all of it on this machine while the benchmark runs. */
const network = '10.201.0.0/18'
const mostAddresses = 16_000

export type PopulationWish = Pick<ChainWish, 'owner' | 'manager' | 'port'> & {
  readonly client: ApiClient
  readonly namespaces: readonly string[]
  readonly workspaces: number
  readonly onProgress: (done: number) => void
}

/** At once; more only queue at the API server. */
const workers = 32

export async function populate(wish: PopulationWish): Promise<readonly Chain[]> {
  const { client, namespaces, workspaces, owner, manager, port, onProgress } = wish
  if (workspaces > mostAddresses) throw new Error(`${network} has no addresses for ${workspaces} pods`)
  await Promise.all(namespaces.map((namespace) => untilAccountIsThere(client, namespace)))
  const chains: Chain[] = []
  let next = 0
  const work = async () => {
    for (let index = next++; index < workspaces; index = next++) {
      const namespace = namespaces[index % namespaces.length] ?? ''
      const name = `notebook-${String(index).padStart(4, '0')}`
      chains.push(await createChain(client, { namespace, name, address: addressOf(index), owner, manager, port }))
      if (chains.length % 500 === 0) onProgress(chains.length)
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return chains
}

/** 10.201.0.10 is the first. */
export function addressOf(index: number): string {
  const host = index + 10
  return `10.201.${host >> 8}.${host & 255}`
}

/** The API server takes no pod before its namespace has the account that pods without another one get. */
async function untilAccountIsThere(client: ApiClient, namespace: string): Promise<void> {
  const path = resourcePath({ group: '', version: 'v1', plural: 'serviceaccounts' }, { namespace, name: 'default' })
  for (let tries = 1; ; tries += 1) {
    try {
      await client.get(path)
      return
    } catch (error) {
      if (tries === 100) throw error
      await delay(100)
    }
  }
}

/** Until it is disposed of, everything of the network is this machine. Needs root, on Linux. */
export async function routeHere(): Promise<AsyncDisposable> {
  await run('ip', ['route', 'replace', 'local', network, 'dev', 'lo'])
  return { [Symbol.asyncDispose]: async () => void (await run('ip', ['route', 'del', 'local', network, 'dev', 'lo'])) }
}
