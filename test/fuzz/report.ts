/** What is told of a finding, so that it can be looked into and kept. */
import type { Shown } from './fuzz.ts'
import type { Played } from './play.ts'
import { targetNames } from './stage.ts'

export function reportOf({ origin, requestCase, findings, played }: Shown): string {
  return [
    `case ${origin}`,
    ...findings.map(({ kind, what }) => `  ${kind}: ${what}`),
    ...targetNames.map((name) => `  ${name}: ${outcomeOf(played[name])}`),
    `  ${JSON.stringify(requestCase)}`,
  ].join('\n')
}

function outcomeOf({ statuses, requests }: Played): string {
  const passed = requests.map(({ method, target, body, isComplete, malformed = '' }) => {
    return `${method} ${target} ${JSON.stringify(body)}${isComplete ? '' : '…'}${malformed}`
  })
  return `answered ${statuses.join(', ')}; passed on ${passed.join(' | ')}`
}
