/** The laptop mode in this process, with the real programs that are here: what `npm start` opens, in folders of the test. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Laptop, type LaptopParts, openLaptop } from '#compose/laptop.ts'
import { systemClock } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import type { LocalPrograms } from '#operator/apps.ts'
import { loadSettings } from '#settings/load.ts'
import { Secret } from '#settings/secret.ts'
import { createLaptopSite, type LaptopSite, type LaptopSiteOptions } from './laptop-site.ts'
import { findPart } from './real-parts.ts'

export interface LaptopWorld extends LaptopSite {
  readonly laptop: Laptop
  /** Every line of the log and the audit trail. */
  readonly lines: readonly string[]
}

export interface LaptopWorldOptions extends LaptopSiteOptions {
  /** Further settings, as variables. */
  readonly env?: Readonly<Record<string, string>>
}

export async function openLaptopWorld(options: LaptopWorldOptions = {}): Promise<LaptopWorld> {
  await using opened = new AsyncDisposableStack()
  const site = opened.use(await createLaptopSite(options))
  const lines: string[] = []
  const ending = new AbortController()
  const laptop = await openLaptop(await laptopParts(site, { lines, signal: ending.signal, ...options }))
  opened.defer(async () => {
    ending.abort()
    await laptop.ended
  })
  const running = opened.move()
  return { ...site, laptop, lines, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

export interface LaptopPartsOptions extends Pick<LaptopWorldOptions, 'env'> {
  readonly signal: AbortSignal
  /** Gets every line of the log and the audit trail. */
  readonly lines: string[]
}

/** What the laptop mode of this site is opened with. */
export async function laptopParts(
  site: LaptopSite,
  { env = {}, lines, signal }: LaptopPartsOptions,
): Promise<LaptopParts> {
  const loaded = await loadSettings({
    face: 'demo',
    env: {
      GATEHOUSE_PORT: String(site.port),
      GATEHOUSE_HOME: site.home,
      GATEHOUSE_DEMO_MANIFESTS: site.manifests,
      GATEHOUSE_ROUTING_MODE: site.mode,
      GATEHOUSE_DEMO_PASSWORD: site.password,
      ...env,
    },
    cwd: site.home,
  })
  if (loaded.kind === 'invalid') throw new Error(`settings: ${JSON.stringify(loaded.problems)}`)
  const { settings, secrets } = loaded
  await mkdir(settings.home, { recursive: true, mode: 0o700 })
  const sink = { write: (line: string) => void lines.push(line) }
  return {
    settings,
    secrets,
    password: new Secret(site.password),
    programs: realPrograms(),
    env: { PATH: process.env.PATH ?? '' },
    clock: systemClock,
    log: createLog({ level: 'info', clock: systemClock, sink }),
    audit: createAudit({ sink, clock: systemClock }),
    lostLines: () => 0,
    faults: () => new Map(),
    signal,
  }
}

export function realPrograms(): LocalPrograms {
  const jupyter = findPart('jupyter')
  const codeServer = findPart('code-server')
  return {
    jupyter:
      jupyter.kind === 'found'
        ? { kind: 'ready', venv: dirname(dirname(jupyter.path)) }
        : { kind: 'missing', install: jupyter.reason },
    codeServer: codeServer.kind === 'found' ? codeServer.path : undefined,
    shell: '/bin/sh',
    isRoot: process.getuid?.() === 0,
  }
}
