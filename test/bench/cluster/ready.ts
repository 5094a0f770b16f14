/** How soon one replica is ready when all of the workspaces are there already, and what it holds in memory: at rest, and after all were visited. */
import { setTimeout as wait } from 'node:timers/promises'
import { median } from '../measure.ts'
import { freshReplicas, type PodReplica } from './pod-replicas.ts'
import { type Scene, settling } from './scene.ts'
import { people } from './site.ts'
import { proveTargets, visitAll } from './spread.ts'
import { openReception } from './visitor.ts'

export interface Ready {
  /** From the start of its process. */
  readonly ms: number
  readonly rest_mb: number
  readonly visited_mb: number
}

/** Medians of fresh pods. */
export async function measureReady(scene: Scene): Promise<Ready> {
  const runs: Ready[] = []
  for (let round = 1; round <= scene.rounds; round += 1) {
    const run = await scene.inTurn(() => measureOnce(scene))
    runs.push(run)
    const [ms, rest, visited] = [run.ms, run.rest_mb, run.visited_mb].map(Math.round)
    scene.say(`ready after ${ms} ms, ${rest} MB at rest, ${visited} MB after visits`)
  }
  await freshReplicas(scene.site, 0)
  const of = (pick: (run: Ready) => number) => median(runs.map(pick))
  return { ms: of((run) => run.ms), rest_mb: of((run) => run.rest_mb), visited_mb: of((run) => run.visited_mb) }
}

async function measureOnce(scene: Scene): Promise<Ready> {
  const [replica] = await freshReplicas(scene.site, 1)
  if (!replica) throw new Error('there is no replica')
  await wait(settling)
  const restMb = await replica.residentMb()
  return { ms: replica.readyAfter, rest_mb: restMb, visited_mb: await afterVisits(scene, replica) }
}

async function afterVisits(scene: Scene, gateway: PodReplica): Promise<number> {
  using reception = await openReception(scene.site)
  const visitor = await reception.welcome(people.owner)
  await proveTargets({ ...scene, gateway, visitor })
  await visitAll({ ...scene, gateway, visitor })
  await wait(settling)
  return gateway.residentMb()
}
