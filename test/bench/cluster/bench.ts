/**
 * `npm run bench:cluster`: what a gateway costs in a cluster with thousands of workspaces, and how soon it knows. Asks for a cluster by
 * `GATEHOUSE_TEST_KUBECONFIG`, whose nodes have the image of `GATEHOUSE_TEST_GATEWAY_IMAGE`; for helm, nginx and wrk; and for root on this machine,
 * which stands for the workspaces whose pods no kubelet runs. `--json`: one object, nothing else. `--only PART`, or several with commas.
 * A part that fails says why, and the others go on; a signal ends it in order, and a second one at once.
 */
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { type Turn, turnsBy } from '../turn.ts'
import { freshReplicas } from './pod-replicas.ts'
import { measureStarts } from './pod-starts.ts'
import { populate, routeHere } from './population.ts'
import { measureReady } from './ready.ts'
import { measureRest } from './rest.ts'
import { measureRevocations } from './revocations.ts'
import type { Scene } from './scene.ts'
import { openSite, people } from './site.ts'
import { spreadByProcess } from './spread.ts'
import { profileSpread } from './spread-profile.ts'
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
    only: { type: 'string', default: 'ready,spread,profile,rest,revocations,starts' },
    /** See `turn.ts`. */
    turns: { type: 'string' },
  },
})

const port = 8888
const namespaces = 10
const replicas = 3
const say = (text: string) => void (options.json ? undefined : process.stdout.write(`${text}\n`))
const complain = (text: string) => void process.stderr.write(`bench:cluster: ${text}\n`)

type Part = 'ready' | 'spread' | 'profile' | 'rest' | 'revocations' | 'starts'

/** What each part adds to the results. */
const parts: Readonly<Record<Part, (scene: Scene) => Promise<Partial<Results>>>> = {
  ready: async (scene) => ({ ready: await measureReady(scene) }),
  spread: async (scene) => ({ spread: await spreadByProcess(scene) }),
  profile: async (scene) => ({ profile: await profileSpread(scene) }),
  rest: async (scene) => ({ rest: await measureRest(scene, Number(options.rest)) }),
  revocations: async (scene) => ({ revocations: await measureRevocationsOfPods(scene) }),
  starts: async (scene) => ({ starts: await measureStartsOfPods(scene) }),
}

interface Progress {
  /** What is being done, for who asks why it ended. */
  doing: string
}

async function main(progress: Progress, ended: Promise<never>): Promise<boolean> {
  await using stack = new AsyncDisposableStack()
  return await Promise.race([run(stack, progress), ended])
}

/** Did all parts succeed? */
async function run(stack: AsyncDisposableStack, progress: Progress): Promise<boolean> {
  const site = stack.use(await openSite(namespaces))
  stack.use(await routeHere())
  const began = performance.now()
  progress.doing = 'making workspaces'
  const chains = await populate({
    ...{ client: site.client, namespaces: site.namespaces, workspaces: Number(options.workspaces) },
    ...{ owner: people.owner, manager: site.manager, port, onProgress: (done: number) => say(`${done} workspaces`) },
  })
  say(`made within ${Math.round((performance.now() - began) / 1000)} s`)
  stack.use(await startTarget(chains, port))
  const inTurn: Turn = turnsBy(options.turns)
  const scene = {
    site,
    chains,
    appPort: port,
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    inTurn,
    say,
  }
  const { measured, failed } = await measure(scene, progress)
  const results: Results = { workspaces: chains.length, rounds: scene.rounds, ...measured }
  process.stdout.write(options.json ? `${JSON.stringify(results)}\n` : table(results))
  progress.doing = 'taking away what was made'
  return failed === 0
}

/** One part after the other, as far as it was asked for. */
async function measure(scene: Scene, progress: Progress) {
  const asked = new Set(options.only.split(','))
  let measured: Partial<Results> = {}
  let failed = 0
  for (const [name, part] of Object.entries(parts).filter(([known]) => asked.has(known))) {
    progress.doing = name
    say(`${name}:`)
    try {
      measured = { ...measured, ...(await part(scene)) }
    } catch (error) {
      failed += 1
      complain(`${name} failed: ${error instanceof Error ? error.stack : error}`)
    }
  }
  return { measured, failed }
}

async function measureRevocationsOfPods({ site, chains, inTurn }: Scene) {
  const running = await freshReplicas(site, replicas)
  using reception = await openReception(site)
  const guest = await reception.welcome(people.guest)
  const rounds = Number(options.revocations)
  return inTurn(() => measureRevocations({ site, replicas: running, guest, rounds, freeAddress: chains.length }))
}

async function measureStartsOfPods({ site, inTurn, say: tell }: Scene) {
  const [gateway] = await freshReplicas(site, replicas)
  if (!gateway) throw new Error('there is no replica')
  using reception = await openReception(site)
  const visitor = await reception.welcome(people.owner)
  const onStart = (milliseconds: number) => tell(`a start: ${Math.round(milliseconds)} ms`)
  return inTurn(() => measureStarts({ site, gateway, visitor, starts: Number(options.starts), onStart }))
}

/** By a signal; a second one ends it at once. */
function endedBySignal(): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(name, () => {
        complain(`${name}: taking away what was made; again: at once`)
        process.once(name, () => process.exit(128 + constants.signals[name]))
        reject(new Error(name))
      })
    }
  })
}

const progress: Progress = { doing: 'installing the gateway' }
let isOver = false
process.once('exit', (code) => {
  if (!isOver) complain(`ended with ${code} while ${progress.doing}, before there was a result`)
})
try {
  process.exitCode = (await main(progress, endedBySignal())) ? 0 : 1
} catch (error) {
  complain(`ended while ${progress.doing}: ${error instanceof Error ? error.stack : error}`)
  process.exitCode = 1
}
isOver = true
// What a signal cut short may still wait for something.
process.exit()
