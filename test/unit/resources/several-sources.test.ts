import { expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import type { ResourceVersion, WatchEvent } from '#resources/contract.ts'
import { follow } from '#resources/follow.ts'
import { severalSources } from '#resources/kubernetes/several-sources.ts'
import type { Followed, Source } from '#resources/source.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

/** A place with a counter for a version, which refuses versions that are not its own. */
class Place implements Source<Followed> {
  readonly asked: string[] = []
  readonly #name: string
  readonly #objects = new Map<string, Followed>()
  #version = 0
  #tell: ((event: WatchEvent<Followed>) => void) | undefined
  #end: (() => void) | undefined

  constructor(name: string) {
    this.#name = name
  }

  put(name: string): void {
    this.#version += 1
    const resourceVersion = this.#at()
    const object: Followed = {
      metadata: { namespace: this.#name, name, uid: `${this.#name}-${name}` as never, resourceVersion },
    }
    this.#objects.set(name, object)
    this.#tell?.({ type: 'modified', object })
  }

  end(): void {
    this.#end?.()
  }

  #at(): ResourceVersion {
    return `${this.#name}:${this.#version}` as ResourceVersion
  }

  async list() {
    return { items: [...this.#objects.values()], resourceVersion: this.#at() }
  }

  async *watch(version: ResourceVersion, signal: AbortSignal): AsyncGenerator<WatchEvent<Followed>, void, void> {
    this.asked.push(version)
    if (!version.startsWith(`${this.#name}:`)) throw new GatewayError('expired_version', 'not of this place')
    const since = Number(version.split(':')[1])
    const events: WatchEvent<Followed>[] = [...this.#objects.values()]
      .filter(({ metadata }) => Number(metadata.resourceVersion.split(':')[1]) > since)
      .map((object) => ({ type: 'modified', object }))
    let isOver = false
    let wake = () => {}
    this.#tell = (event) => {
      events.push(event)
      wake()
    }
    this.#end = () => {
      isOver = true
      wake()
    }
    signal.addEventListener('abort', this.#end, { once: true })
    while (!isOver) {
      const event = events.shift()
      if (event) yield event
      else await new Promise<void>((resolve) => (wake = resolve))
    }
  }
}

test('several places are one source: all of each is listed, changes of each come, and each is resumed where it was', async () => {
  const [a, b] = [new Place('a'), new Place('b')]
  a.put('one')
  b.put('two')
  const clock = fakeClock()
  const ending = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    for await (const fact of follow(severalSources<Followed>([a, b]), { clock, signal: ending.signal })) {
      if (fact.type === 'synced') seen.push(`synced ${fact.objects.map(({ metadata }) => metadata.name).join(' ')}`)
      else if (fact.type !== 'stale')
        seen.push(`${fact.type} ${fact.object.metadata.namespace}/${fact.object.metadata.name}`)
      else seen.push('stale')
    }
  })()
  await clock.advance(0)
  a.put('three')
  b.put('four')
  await clock.advance(0)
  expect(seen).toEqual(['synced one two', 'applied a/three', 'applied b/four'])
  // One watch ends: both are asked again from where they were, and nothing is listed anew or told twice.
  a.end()
  b.put('five')
  await clock.advance(1_000)
  b.put('six')
  await clock.advance(1_000)
  expect(seen.slice(3)).toEqual(['applied b/five', 'applied b/six'])
  expect(a.asked).toEqual(['a:1', 'a:2'])
  expect(b.asked[0]).toBe('b:1')
  ending.abort()
  await reading
})

test('one place alone is itself', () => {
  const only = new Place('a')
  expect(severalSources([only])).toBe(only)
})

test('a version that is not of all the places is expired, so that they are listed again', async () => {
  const both = severalSources<Followed>([new Place('a'), new Place('b')])
  for (const version of ['a:1', '["a:1"]', '[1,2]', '{}']) {
    const reading = async () => {
      for await (const _ of both.watch(version as ResourceVersion, new AbortController().signal)) return
    }
    await expect(reading()).rejects.toMatchObject({ code: 'expired_version' })
  }
})
