/** Wires what pods are told of their own workspaces. */
import { LastActiveDesk, type LastActiveDeskParts } from '#gateway/last-active-desk.ts'
import type { PodTokens } from '#identity/pod-token.ts'
import type { Clock } from '#lib/clock.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import type { LastActiveRoutes } from '#routes/last-active.ts'
import { notFound } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { consoleOrigin, type Site } from '#workspace/address.ts'

export interface LastActiveParts extends Pick<LastActiveDeskParts, 'directory' | 'activity' | 'audit'> {
  readonly site: Site
  /** Absent where there are no pods. */
  readonly podTokens?: PodTokens
  readonly clock: Clock
}

/** An operator asks no more than once a second. */
const questions = { most: 90, window: 60_000 }

export function lastActiveSurface({ podTokens, site, clock, ...parts }: LastActiveParts): LastActiveRoutes {
  const audience = consoleOrigin(site) + paths.lastActive
  const perPod = new RateLimiter({ ...questions, clock })
  const desk = podTokens && new LastActiveDesk({ ...parts, podTokens, audience, perPod })
  return { tellLastActive: (...asked) => desk?.tell(...asked) ?? { ok: false, problem: notFound } }
}
