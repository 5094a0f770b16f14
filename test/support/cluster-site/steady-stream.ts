/** Requests one after the other through the Service, each over a connection of its own, for as long as something happens to the site. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '#errors.ts'
import type { ScriptedBrowser } from '../browser-session.ts'

export interface SteadyStream extends AsyncDisposable {
  /** Stops; what each was answered: a status, or why there was none. */
  end(): Promise<readonly (number | string)[]>
}

/** Milliseconds. */
const pause = 25

export function steadily(browser: ScriptedBrowser, url: string): SteadyStream {
  const ending = new AbortController()
  const answers: (number | string)[] = []
  const visitor = browser.tab()
  const run = async () => {
    while (!ending.signal.aborted) {
      answers.push(await visitor.fetch(url).then(({ status }) => status, messageOf))
      await delay(pause)
    }
  }
  const running = run()
  const end = async () => {
    ending.abort()
    await running
    return answers
  }
  return { end, [Symbol.asyncDispose]: async () => void (await end()) }
}
