import { describe, expect, test } from 'vitest'
import { notFound } from '#surface/problem.ts'
import { api, openPath, sharePath } from '#surface/urls.ts'
import { alice, fakeSurface, navigation, origin, ownFetch, ownForm } from './fake-surface.ts'

/** The backend says the same of both; nothing on the way out may tell them apart either. */
const refused = { ok: false, problem: notFound } as const
const unknown = { namespace: 'bob', name: 'no-such-thing' }
const forbidden = { namespace: 'carol', name: 'secret' }

describe('a workspace that does not exist and one that is somebody else’s', () => {
  const asks = [
    (ref: typeof unknown) =>
      ({ method: 'GET', url: openPath(ref, { path: '/lab?x=1' }), headers: navigation }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: `${openPath(ref)}?part`, headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: sharePath(ref), headers: navigation }) as const,
    (ref: typeof unknown) =>
      ({ method: 'POST', url: sharePath(ref), headers: ownForm, payload: 'people=bob' }) as const,
    (ref: typeof unknown) => ({ method: 'POST', url: sharePath(ref), headers: ownForm, payload: 'people=' }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: api.workspace(ref), headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: api.events(ref), headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: api.logs(ref), headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: api.shares(ref), headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'GET', url: `${api.explain(ref)}?user=bob`, headers: ownFetch }) as const,
    (ref: typeof unknown) => ({ method: 'POST', url: api.start(ref), headers: { ...ownFetch, origin } }) as const,
    (ref: typeof unknown) => ({ method: 'POST', url: api.stop(ref), headers: { ...ownFetch, origin } }) as const,
    (ref: typeof unknown) =>
      ({ method: 'DELETE', url: api.share(ref, 'x'), headers: { ...ownFetch, origin } }) as const,
    (ref: typeof unknown) =>
      ({
        method: 'POST',
        url: api.shares(ref),
        headers: { ...ownFetch, origin, 'content-type': 'application/json' },
        payload: '{"grantees": []}',
      }) as const,
  ]

  test.each(asks.map((ask) => [ask(unknown).method, ask(unknown).url, ask] as const))(
    '%s %s: the same bytes, and 404',
    async (_method, _url, ask) => {
      await using fake = await fakeSurface({ listShares: () => refused, startWorkspace: () => refused })
      const answers = await Promise.all(
        [unknown, forbidden, { namespace: 'NOT', name: 'A_NAME' }].map(async (ref) => {
          const { method, url, headers, ...more } = ask(ref)
          return fake.app.inject({ method, url, headers: { ...alice, ...headers }, ...more })
        }),
      )
      const [first] = answers
      expect(first?.statusCode).toBe(404)
      for (const { statusCode, headers, body } of answers) {
        expect(statusCode).toBe(404)
        expect({ ...headers, date: undefined }).toEqual({ ...first?.headers, date: undefined })
        expect(body).toBe(first?.body)
      }
    },
  )
})
