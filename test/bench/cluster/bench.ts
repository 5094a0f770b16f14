/**
 * `npm run bench:cluster`: what a gateway costs in a cluster with thousands of workspaces, and how soon it knows. Asks for a cluster by
 * `GATEHOUSE_TEST_KUBECONFIG`, whose nodes have the image of `GATEHOUSE_TEST_GATEWAY_IMAGE`; for helm, nginx and wrk; and for root on this machine,
 * which stands for the workspaces whose pods no kubelet runs. `--json`: one object, nothing else. `--only PART`, or several with commas.
 */
import { parseArgs } from 'node:util'
import { freshReplicas } from './pod-replicas.ts'
import { measureStarts } from './pod-starts.ts'
import { populate, routeHere } from './population.ts'
import { measureReady } from './ready.ts'
import { measureRest } from './rest.ts'
import { measureRevocations } from './revocations.ts'
import type { Scene } from './scene.ts'
import { openSite, people } from './site.ts'
import { spreadByProcess } from './spread.ts'
import { type Results, table } from './table.ts'
import { startTarget } from './target.ts'
import { openReception } from './visitor.ts'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    workspaces: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '5' },
    /** Of one run of wrk. */
    seconds: { type: 'string', default: '4' },
    /** Seconds at rest. */
    rest: { type: 'string', default: '60' },
    starts: { type: 'string', default: '100' },
    revocations: { type: 'string', default: '100' },
    only: { type: 'string', default: 'ready,spread,rest,revocations,starts' },
  },
})

const port = 8888
const namespaces = 10
const replicas = 3
const say = (text: string) => void (options.json ? undefined : process.stdout.write(`${text}\n`))

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const site = stack.use(await openSite(namespaces))
  stack.use(await routeHere())
  const began = performance.now()
  const chains = await populate({
    ...{ client: site.client, namespaces: site.namespaces, workspaces: Number(options.workspaces) },
    ...{ owner: people.owner, manager: site.manager, port, onProgress: (done: number) => say(`${done} workspaces`) },
  })
  say(`made within ${Math.round((performance.now() - began) / 1000)} s`)
  stack.use(await startTarget(chains, port))
  const scene = { site, chains, rounds: Number(options.rounds), seconds: Number(options.seconds), say }
  const results: Results = { workspaces: chains.length, rounds: scene.rounds, ...(await measure(scene)) }
  process.stdout.write(options.json ? `${JSON.stringify(results)}\n` : table(results))
}

/** One part after the other, as far as it was asked for. */
async function measure(scene: Scene): Promise<Partial<Results>> {
  const asked = new Set(options.only.split(','))
  return {
    ...(asked.has('ready') ? { ready: await measureReady(scene) } : {}),
    ...(asked.has('spread') ? { spread: await spreadByProcess(scene) } : {}),
    ...(asked.has('rest') ? { rest: await measureRest(scene.site, Number(options.rest)) } : {}),
    ...(asked.has('revocations') || asked.has('starts') ? await measureReplicas(scene, asked) : {}),
  }
}

/** What is about several replicas, which are pods. */
async function measureReplicas(
  { site, chains, say: tell }: Scene,
  asked: ReadonlySet<string>,
): Promise<Partial<Results>> {
  const running = await freshReplicas(site, replicas)
  const [gateway] = running
  if (!gateway) throw new Error('there is no replica')
  using reception = await openReception(site)
  const [visitor, guest] = [await reception.welcome(people.owner), await reception.welcome(people.guest)]
  const rounds = Number(options.revocations)
  const starts = Number(options.starts)
  const wish = { site, replicas: running, guest, rounds, freeAddress: chains.length }
  const onStart = (milliseconds: number) => tell(`a start: ${Math.round(milliseconds)} ms`)
  return {
    ...(asked.has('revocations') ? { revocations: await measureRevocations(wish) } : {}),
    ...(asked.has('starts') ? { starts: await measureStarts({ site, gateway, visitor, starts, onStart }) } : {}),
  }
}

await main()
