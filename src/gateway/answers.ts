/** The gateway's own answers to what it does not forward: pages and problems, ways to the login and to the page that starts a workspace. */
import type { Problem } from '#surface/problem.ts'
import { openPath } from '#surface/urls.ts'
import { consoleOrigin, originOf } from '#workspace/address.ts'
import type { Settled } from './admission.ts'
import { loginNeeded, problemOfDenial, startingNow, stoppedNow } from './denial.ts'
import { type HandoverParts, leaveForLogin } from './handover.ts'
import { comeAgain, hsts, type RenderPage, type Reply, redirect, refusal } from './reply.ts'
import type { Visit } from './visit.ts'

export interface AnswersParts extends HandoverParts {
  readonly renderPage: RenderPage
}

export class Answers {
  readonly #parts: AnswersParts

  constructor(parts: AnswersParts) {
    this.#parts = parts
  }

  refusal(requestId: string, of: Problem, navigation: boolean, extra: readonly string[] = []): Reply {
    return refusal(of, { navigation, requestId, renderPage: this.#parts.renderPage }, extra)
  }

  led(to: Reply | Problem, visit: Visit): Reply {
    return 'body' in to ? to : this.refusal(visit.requestId, to, true)
  }

  to(visit: Visit, admission: Exclude<Settled, { kind: 'forward' }>): Reply {
    const { site } = this.#parts
    switch (admission.kind) {
      case 'moved':
        return redirect(308, originOf(site, admission.host) + admission.prefix + visit.place.rest + visit.place.query)
      case 'login': {
        if (!admission.navigation)
          return this.refusal(visit.requestId, loginNeeded, false, ['WWW-Authenticate', 'Bearer'])
        return this.led(leaveForLogin(this.#parts, visit.place, visit.head.cookie), visit)
      }
      case 'deny': {
        const { reason, status, detail, navigation } = admission
        const extra = status === 503 ? comeAgain(2) : []
        return this.refusal(visit.requestId, problemOfDenial(reason, status, detail), navigation, extra)
      }
      case 'starting':
        return this.starting(visit, admission)
    }
  }

  /** A person is taken to the page that starts it or waits; a program is told whether waiting helps. */
  starting(visit: Visit, admission: Settled & { kind: 'starting' }): Reply {
    if (admission.navigation) {
      const to = {
        path: `/${visit.place.rest}${visit.place.query}`,
        ...(admission.isMain ? {} : { port: admission.port.port }),
      }
      return redirect(302, consoleOrigin(this.#parts.site) + openPath(admission.ref, to))
    }
    const isStopped = admission.phase === 'Stopped' || admission.phase === 'Stopping'
    return isStopped
      ? this.refusal(visit.requestId, stoppedNow, false, ['Retry-After', '30'])
      : this.refusal(visit.requestId, startingNow, false, comeAgain(2))
  }

  secured(reply: Reply): Reply {
    const isSaid = reply.headers.some((name) => name.toLowerCase() === 'strict-transport-security')
    return this.#parts.site.scheme === 'http' || isSaid ? reply : { ...reply, headers: [...reply.headers, ...hsts] }
  }
}
