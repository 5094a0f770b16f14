import { expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import type { ResourceVersion, WatchEvent } from '#resources/contract.ts'
import { pulseOf } from '#resources/kubernetes/pulse.ts'
import { severalSources } from '#resources/kubernetes/several-sources.ts'
import type { Followed, Source } from '#resources/source.ts'

const versionOf = (text: string) => text as ResourceVersion

/** Plays one watch after the other; after the last it says nothing until its signal. */
function played(...watches: readonly (readonly (string | Error)[])[]) {
  const asked: string[] = []
  const source: Source<Followed> = {
    list: async () => ({ items: [], resourceVersion: versionOf('listed') }),
    async *watch(version, signal): AsyncGenerator<WatchEvent<Followed>, void, void> {
      asked.push(version)
      const script = watches[asked.length - 1]
      for (const one of script ?? []) {
        if (one instanceof Error) throw one
        yield { type: 'heartbeat', resourceVersion: versionOf(one) }
      }
      if (!script) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
  }
  return { source, asked }
}

/** Every version that came until nothing more does, and whether it was over by itself. */
async function heard(source: Source<Followed>, version: string, signal: AbortSignal) {
  const versions: string[] = []
  const reading = (async () => {
    for await (const event of source.watch(versionOf(version), signal))
      if (event.type === 'heartbeat') versions.push(event.resourceVersion)
    return 'ended'
  })()
  const idle = new Promise((resolve) => setImmediate(resolve)).then(() => 'open')
  return { versions, state: await Promise.race([reading, idle]), reading }
}

const broken = new GatewayError('store_unavailable', 'the connection is lost')

test('a pulse that breaks goes on where it was, and ends with its signal alone', async () => {
  const { source, asked } = played(['1', '2', broken], ['3'])
  const ending = new AbortController()
  const { versions, state, reading } = await heard(pulseOf(source), '0', ending.signal)
  expect({ versions, state, asked }).toEqual({ versions: ['1', '2', '3'], state: 'open', asked: ['0', '2', '3'] })
  ending.abort()
  expect(await reading).toBe('ended')
})

test('a pulse that is refused again and again is asked three times, and says nothing more', async () => {
  const { source, asked } = played([broken], [broken], [broken], ['1'])
  const ending = new AbortController()
  const { versions, state, reading } = await heard(pulseOf(source), '0', ending.signal)
  expect({ versions, state, asked }).toEqual({ versions: [], state: 'open', asked: ['0', '0', '0'] })
  ending.abort()
  expect(await reading).toBe('ended')
})

test('a pulse whose version is too old goes on with what comes from now on, instead of asking for the old one for ever', async () => {
  const { source, asked } = played([new GatewayError('expired_version', 'too old')], ['7'])
  const ending = new AbortController()
  const { versions, reading } = await heard(pulseOf(source), '0', ending.signal)
  expect({ versions, asked }).toEqual({ versions: ['7'], asked: ['0', '', '7'] })
  ending.abort()
  await reading
})

test('a pulse that may not be listed takes no place along: what is there is listed and goes on', async () => {
  const place = played(['p1'])
  const pulse = played([broken], [broken], [broken])
  const refused = { ...pulse.source, list: () => Promise.reject(broken) }
  const both = severalSources<Followed>([place.source, pulseOf(refused)])
  const { resourceVersion } = await both.list(new AbortController().signal)
  const { versions } = await heard(both, resourceVersion, new AbortController().signal)
  expect(versions).toEqual(['p1'])
  expect({ place: place.asked, pulse: pulse.asked }).toEqual({ place: ['listed'], pulse: ['', '', ''] })
})

test('a pulse whose list was given up says so', async () => {
  const { source } = played()
  const refused = { ...source, list: () => Promise.reject(broken) }
  await expect(pulseOf(refused).list(AbortSignal.abort())).rejects.toBe(broken)
})

test('beside a place a pulse that breaks takes nothing of it along, and all begin anew where the place does', async () => {
  const place = played(['p1'], ['p2'])
  const pulse = played([broken], ['h1'])
  const both = severalSources<Followed>([place.source, pulseOf(pulse.source)])
  const { resourceVersion } = await both.list(new AbortController().signal)
  const { versions, state } = await heard(both, resourceVersion, new AbortController().signal)
  expect(state).toBe('ended')
  expect(versions).toContain('p1')
  expect(place.asked).toEqual(['listed'])
})
