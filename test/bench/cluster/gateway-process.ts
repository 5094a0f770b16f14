/** `gatehouse serve` as a process of this machine, with the rights that it has in a cluster. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { freePort } from '#test/support/free-port.ts'
import { imageOptions } from '#test/support/image-options.ts'
import { pinned, residentKb } from '../measure.ts'
import type { Replica } from './replica.ts'
import type { BenchSite } from './site.ts'

export interface GatewayProcess extends Replica, AsyncDisposable {
  readonly pid: number
  /** Milliseconds from the start of the process to the first `/readyz` that said yes. */
  readonly readyAfter: number
  /** Its log so far. */
  log(): string
  residentMb(): Promise<number>
}

export interface ProcessOptions {
  /** Any if absent. */
  readonly core?: number
  /** Another one than the site's: another way to the API server. */
  readonly kubeconfig?: string
  /** Of Node. */
  readonly nodeOptions?: readonly string[]
}

const launcher = fileURLToPath(new URL('../../../bin/gatehouse.js', import.meta.url))
const compiled = fileURLToPath(new URL('../../../artefacts/compile-cache', import.meta.url))
const patience = 120_000
const lookEvery = 10

/** It is ready when this returns. */
export async function startGateway(site: BenchSite, options: ProcessOptions = {}): Promise<GatewayProcess> {
  const port = await freePort(2)
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const file = join(folder, 'settings.yaml')
  writeFileSync(file, stringify(settingsOf(site, port, options.kubeconfig ?? site.kubeconfig)))
  await using started = new AsyncDisposableStack()
  started.defer(() => rmSync(folder, { recursive: true, force: true }))
  await compile()
  const began = performance.now()
  // Counted as always; what is measured is one identity.
  const env = {
    ...{ PATH: process.env.PATH, HOME: folder, NODE_COMPILE_CACHE: compiled },
    ...{ GATEHOUSE_LIMITS_REQUESTS_PER_IDENTITY: '1000000', GATEHOUSE_LIMITS_STREAMS_PER_IDENTITY: '1000000' },
  }
  const args = [...imageOptions(), ...(options.nodeOptions ?? []), launcher, 'serve', '--settings', file]
  const child = started.use(await pinned(options.core, process.execPath, args, env))
  while (!(await isReady(port + 1))) {
    if (performance.now() - began > patience) throw new Error(`it did not get ready: ${child.stdout.join('')}`)
    await wait(lookEvery)
  }
  const readyAfter = performance.now() - began
  const running = started.move()
  return {
    ...{ pid: child.pid, readyAfter, host: '127.0.0.1', port },
    log: () => child.stdout.join(''),
    residentMb: async () => (await residentKb(child.pid)) / 1024,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** An image brings what Node makes of its modules (`scripts/compile-cache.ts`): it loads them all, and finds that it is in no cluster. */
async function compile(): Promise<void> {
  const args = [...imageOptions(), launcher, 'serve']
  const ended = await promisify(execFile)(process.execPath, args, {
    cwd: '/',
    env: { NODE_COMPILE_CACHE: compiled },
  }).catch(String)
  if (!String(ended).includes('this is no pod of a cluster')) throw new Error(`it ended in another way: ${ended}`)
}

/** As the chart writes them, but for where it listens. */
function settingsOf({ stateNamespace, manager }: BenchSite, port: number, kubeconfig: string): object {
  return {
    managerName: manager,
    listeners: [{ kind: 'plain', host: '127.0.0.1', port }],
    operations: { hosts: ['127.0.0.1'], port: port + 1 },
    sessions: { stateNamespace },
    cluster: { kubeconfig, servesUnclaimed: false },
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  } catch {
    return false
  }
}
