/** Where the processor's time of a request goes: to one workspace, and to all in turn. A gateway of its own for each. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { profileIn, profiling } from '../profile.ts'
import { startGateway } from './gateway-process.ts'
import { gatewayCore, type Scene, settling } from './scene.ts'
import { people } from './site.ts'
import { proveTargets, rateOf, writeScripts } from './spread.ts'
import { openReception } from './visitor.ts'

/** Microseconds of a request, by part. */
type Parts = Readonly<Record<string, number>>

export interface SpreadProfile {
  readonly one: Parts
  readonly all: Parts
}

export async function profileSpread(scene: Scene): Promise<SpreadProfile> {
  return { one: await partsAt(scene, 'one'), all: await partsAt(scene, 'all') }
}

async function partsAt(scene: Scene, kind: 'one' | 'all'): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-profile-'))
  const { cost, began } = await costAt(scene, kind, folder)
  const profile = profileIn(folder, (performance.now() - began) * 1000)
  rmSync(folder, { recursive: true, force: true })
  return Object.fromEntries(profile.map(({ part, percent }) => [part, Number(((percent * cost) / 100).toFixed(2))]))
}

/** The profile is there when the gateway has ended, which is when this returns. */
async function costAt(scene: Scene, kind: 'one' | 'all', folder: string) {
  await using gateway = await startGateway(scene.site, { core: gatewayCore, nodeOptions: profiling(folder) })
  using reception = await openReception(scene.site)
  const visitor = await reception.welcome(people.owner)
  await using scripts = writeScripts({ ...scene, visitor })
  // As in the rounds, all are known before it begins.
  await wait(settling)
  await proveTargets({ ...scene, gateway, visitor })
  const front = { ...gateway, name: 'gatehouse' }
  // What a first visit costs is no part of it.
  await rateOf(scene, front, scripts[kind])
  const began = performance.now()
  const { cost } = await rateOf(scene, front, scripts[kind])
  return { cost, began }
}
