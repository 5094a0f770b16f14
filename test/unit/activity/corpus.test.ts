/** What a gateway saw of real people's and programs' doings, played to what looks at traffic. `npm run corpus` records it anew. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { labels } from '#test/corpus/labels.ts'
import { replay, type Verdict } from '#test/corpus/replay.ts'
import { bytesOf, type Tape } from '#test/corpus/tape.ts'

const tapes = (['jupyterlab', 'code-editor'] as const).flatMap(tapesOf)

function tapesOf(app: Tape['app']): readonly Tape[] {
  const text = readFileSync(join(import.meta.dirname, `../../corpus/${app}.jsonl`), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line): Tape => JSON.parse(line))
}

const nameOf = ({ app, name }: Pick<Tape, 'app' | 'name'>) => `${app}: ${name}`

/** What is wrong with it; `undefined`: nothing. */
function faultOf({ person, work }: Tape, found: Verdict): string | undefined {
  if (found.person && person === 'no') return 'false interactive'
  const isActive = found.person || found.work || found.unknown
  if (!isActive && (person === 'does' || work === true)) return 'false idle'
  if (person === 'does' && !found.person && !found.unknown) return 'false idle of a person'
  if (work !== undefined && found.work !== work && !found.unknown) return work ? 'work not seen' : 'false work'
  return undefined
}

describe('the corpus', () => {
  test('has sixty interactions and more, half of them held out, labelled as it was written before they were recorded', () => {
    expect(tapes.length).toBeGreaterThanOrEqual(60)
    const heldOut = tapes.filter(({ isHeldOut }) => isHeldOut).length
    expect(Math.abs(tapes.length - 2 * heldOut)).toBeLessThanOrEqual(2)
    const known = new Map(labels.map((label) => [nameOf(label), label]))
    for (const { app, name, person, work, isHeldOut } of tapes)
      expect({ app, name, person, work, isHeldOut }).toEqual(known.get(nameOf({ app, name })))
  })

  test('tells nothing of the machine that recorded it', () => {
    const told = tapes.flatMap(({ events, sockets }) => [
      ...sockets.map(({ path }) => path),
      ...events.map((event) => {
        if (event.kind === 'request') return event.request.rest + event.request.query
        return event.kind === 'message' ? bytesOf(event.payload, event.opcode).toString('latin1') : ''
      }),
    ])
    for (const text of told) expect(text).not.toMatch(/\/root\b|\/tmp\/|gh-laptop|_xsrf=[^x]|"token":"[^x"]/)
  })
})

/** Whole messages as they were sent; and whatever comes in pieces. */
test.each([undefined, 61])(
  'nobody who does nothing is taken for somebody, nobody who works for nobody; chunks of %s bytes',
  async (chunk) => {
    const found: { tape: Tape; verdict: Verdict }[] = []
    for (const tape of tapes) found.push({ tape, verdict: await replay(tape, chunk === undefined ? {} : { chunk }) })
    const faults = found.flatMap(({ tape, verdict }) => {
      const fault = faultOf(tape, verdict)
      return fault === undefined ? [] : [`${nameOf(tape)}: ${fault} (${verdict.sources.join(', ')})`]
    })
    expect(faults).toEqual([])
    const unknown = found.filter(({ verdict }) => verdict.unknown)
    expect(unknown.length).toBeLessThanOrEqual(0.05 * tapes.length)
    const untouched = unknown.filter(({ tape: { person, work } }) => person === 'no' && work === false)
    expect(untouched.map(({ tape }) => nameOf(tape))).toEqual([])
  },
  60_000,
)
