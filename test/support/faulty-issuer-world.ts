/** A whole gateway whose people log in at an issuer that misbehaves as a test says; its pages need nobody to fill them in. */
import type { WorkspaceSession } from '#identity/session-record.ts'
import type { IssuerSettings } from '#settings/settings.ts'
import type { Page, ScriptedBrowser } from './browser-session.ts'
import { dateFollows } from './date-follows.ts'
import { type Faults, type FaultyIssuer, faultyIssuer } from './faulty-issuer.ts'
import { createWorld, type World, type WorldOptions } from './world.ts'

/** What a login came to. */
export interface LoginOutcome {
  readonly page: Page
  readonly status: number
  /** Of the refusal, as the audit trail has it; `undefined`: none was written down. */
  readonly reason: string | undefined
  /** Sessions that are there now and were not before. */
  readonly made: readonly WorkspaceSession[]
}

export interface FaultyIssuerWorld extends AsyncDisposable {
  readonly world: World
  readonly issuer: FaultyIssuer
  /** From the console to the end of the login, with a browser of its own when there is none yet. */
  logIn(faults?: Faults, browser?: ScriptedBrowser): Promise<LoginOutcome>
  sessions(): readonly WorkspaceSession[]
}

export interface FaultyIssuerWorldOptions extends WorldOptions {
  /** Changes of the issuer's settings. */
  readonly issuer?: Partial<IssuerSettings>
}

/** With a `clock`, dates of this process follow it: the issuer dates its tokens so. */
export async function faultyIssuerWorld(options: FaultyIssuerWorldOptions = {}): Promise<FaultyIssuerWorld> {
  await using stack = new AsyncDisposableStack()
  if (options.clock) stack.use(dateFollows(options.clock))
  const issuer = stack.use(await faultyIssuer())
  const world = stack.use(
    await createWorld({
      ...options,
      settings(defaults) {
        const settings = { ...defaults, oidc: [{ ...issuer.settings, ...options.issuer }] }
        return options.settings?.(settings) ?? settings
      },
    }),
  )
  const sessions = () => world.open.identities.sessions.find(() => true)
  const running = stack.move()
  return {
    world,
    issuer,
    sessions,
    async logIn(faults = {}, browser = world.browser()) {
      const before = new Set(sessions().map(({ metadata }) => metadata.name))
      const events = world.audit.length
      issuer.faults = faults
      const page = await browser.open(`${world.origin}/`)
      const refused = world.audit.slice(events).find((event) => event.event === 'deny')
      return {
        page,
        status: page.status,
        reason: refused?.event === 'deny' ? refused.reason : undefined,
        made: sessions().filter(({ metadata }) => !before.has(metadata.name)),
      }
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}
