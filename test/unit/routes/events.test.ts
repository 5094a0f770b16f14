import { describe, expect, test } from 'vitest'
import type { WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { alice, type Backend, fakeSurface, ownFetch, served, workspaceView } from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }
const headers = { ...alice, ...ownFetch, accept: 'text/event-stream' }

/** A workspace whose changes the test makes. */
function changing() {
  const pending: (WorkspaceView | 'gone')[] = [workspaceView({ state: 'Starting' })]
  const waiting = new Set<() => void>()
  let watching = 0
  let all = Promise.withResolvers<void>()
  const backend: Pick<Backend, 'viewWorkspace' | 'watchWorkspace'> = {
    viewWorkspace: () => workspaceView(),
    async *watchWorkspace(_actor, _ref, signal) {
      watching += 1
      try {
        while (!signal.aborted) {
          const next = pending.shift()
          if (next !== undefined) yield next
          else {
            await new Promise<void>((resolve) => {
              waiting.add(resolve)
              signal.addEventListener('abort', () => resolve(), { once: true })
            })
          }
        }
      } finally {
        watching -= 1
        if (watching === 0) all.resolve()
      }
    },
  }
  return {
    backend,
    change(next: WorkspaceView | 'gone') {
      pending.push(next)
      for (const wake of waiting) wake()
      waiting.clear()
    },
    get watching() {
      return watching
    },
    async allEnded() {
      if (watching === 0) return
      all = Promise.withResolvers<void>()
      await all.promise
    },
  }
}

async function reading(url: string, signal?: AbortSignal) {
  const response = await fetch(url, { headers, ...(signal ? { signal } : {}) })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    response,
    /** Everything up to this text. */
    async until(wanted: string): Promise<string> {
      while (!text.includes(wanted)) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) throw new Error(`It ended without ${JSON.stringify(wanted)}: ${text}`)
        text += value
      }
      return text
    },
    async rest(): Promise<string> {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) return text
        text += value
      }
    },
  }
}

describe('the events of a workspace', () => {
  test('come as they happen, with the fields that keep them from being kept or changed', async () => {
    const { backend, change } = changing()
    await using fake = await fakeSurface(backend)
    await using server = await served(fake)
    const events = await reading(server.url + api.events(ref))
    expect(events.response.headers.get('content-type')).toBe('text/event-stream')
    expect(events.response.headers.get('cache-control')).toBe('no-store')
    expect(events.response.headers.get('x-request-id')).toBe('given-1')
    await events.until('"state":"Starting"')
    change(workspaceView({ state: 'Running' }))
    const text = await events.until('"state":"Running"')
    expect(text).toMatch(/^retry: 2000\n\nevent: workspace\ndata: \{.*\}\n\nevent: workspace\ndata: /)
  })

  test('end when the session does, and say so', async () => {
    const world = changing()
    const session = new AbortController()
    await using fake = await fakeSurface({ ...world.backend, untilSessionEnds: () => session.signal })
    await using server = await served(fake)
    const events = await reading(server.url + api.events(ref))
    await events.until('"state":"Starting"')
    session.abort()
    expect(await events.rest()).toMatch(/event: end\ndata: \{\}\n\n$/)
    expect(world.watching).toBe(0)
  })

  test('end with the workspace, or the right to see it', async () => {
    const world = changing()
    await using fake = await fakeSurface(world.backend)
    await using server = await served(fake)
    const events = await reading(server.url + api.events(ref))
    await events.until('"state":"Starting"')
    world.change('gone')
    await events.until('event: gone\ndata: {}\n\n')
  })

  test('leave nothing behind when the browser goes away', async () => {
    const world = changing()
    await using fake = await fakeSurface(world.backend)
    await using server = await served(fake)
    const leaving = new AbortController()
    const events = await reading(server.url + api.events(ref), leaving.signal)
    await events.until('"state":"Starting"')
    expect(world.watching).toBe(1)
    leaving.abort()
    await world.allEnded()
    expect(world.watching).toBe(0)
  })

  test('end when Gatehouse does', async () => {
    const world = changing()
    const fake = await fakeSurface(world.backend)
    await using server = await served(fake)
    const events = await reading(server.url + api.events(ref))
    await events.until('"state":"Starting"')
    await fake[Symbol.asyncDispose]()
    expect(await events.rest()).not.toContain('event: end')
    expect(world.watching).toBe(0)
  })

  test('end without a word when Gatehouse is about to end, so that their pages come again', async () => {
    const world = changing()
    const closing = new AbortController()
    await using fake = await fakeSurface({ ...world.backend, closing: closing.signal })
    await using server = await served(fake)
    const events = await reading(server.url + api.events(ref))
    await events.until('"state":"Starting"')
    closing.abort()
    expect(await events.rest()).not.toContain('event: end')
    expect(world.watching).toBe(0)
    const late = await reading(server.url + api.events(ref))
    expect(await late.rest()).toBe('retry: 2000\n\n')
  })

  test('are bounded for each session, and free again when one is closed', async () => {
    const world = changing()
    await using fake = await fakeSurface(world.backend)
    await using server = await served(fake)
    const leaving = Array.from({ length: 12 }, () => new AbortController())
    await Promise.all(
      leaving.map(async ({ signal }) => (await reading(server.url + api.events(ref), signal)).until('retry')),
    )
    const refused = await fetch(server.url + api.events(ref), { headers })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '5'])
    expect(await refused.json()).toMatchObject({ code: 'too_many_streams' })
    for (const controller of leaving) controller.abort()
    await world.allEnded()
    const events = await reading(server.url + api.events(ref))
    await events.until('retry')
  })

  test('are bounded also when all are asked for in one moment', async () => {
    const world = changing()
    const session = new AbortController()
    await using fake = await fakeSurface({ ...world.backend, untilSessionEnds: () => session.signal })
    const asked = Array.from({ length: 20 }, () => fake.app.inject({ url: api.events(ref), headers }))
    const refused = await Promise.race(asked)
    expect(refused.statusCode).toBe(429)
    session.abort()
    const statuses = (await Promise.all(asked)).map(({ statusCode }) => statusCode)
    expect(statuses.filter((status) => status === 200)).toHaveLength(12)
  })

  test('are not there for a workspace that is not', async () => {
    await using fake = await fakeSurface()
    const answer = await fake.app.inject({ url: api.events(ref), headers })
    expect(answer.statusCode).toBe(404)
  })
})
