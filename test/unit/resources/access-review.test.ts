import { describe, expect, test } from 'vitest'
import { type ErrorCode, GatewayError } from '#errors.ts'
import { createLog } from '#observe/log.ts'
import {
  type AccessReviewOptions,
  connectionAccessReviewer,
  subjectAccessReviewer,
} from '#resources/kubernetes/access-review.ts'
import type { Reviewer } from '#resources/reviewer.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { person, workspace } from '#test/support/objects.ts'
import { scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { mayConnect, mayConnectIn, mayGrant } from '#workspace/reviewing.ts'

interface Posted {
  readonly path: string
  readonly body: unknown
}

/** Answers as the test says: with a status, or by throwing. */
function apiServer(...answers: readonly unknown[]) {
  const posted: Posted[] = []
  const clock = fakeClock()
  const lines: string[] = []
  const log = createLog({ level: 'debug', clock, sink: { write: (line) => void lines.push(line) } })
  const client: AccessReviewOptions['client'] = {
    async post(path, body) {
      posted.push({ path, body })
      const answer = answers[Math.min(posted.length, answers.length) - 1]
      if (answer instanceof Error) throw answer
      return answer
    },
  }
  return { posted, clock, lines, options: { client, clock, log } }
}

const yes = { status: { allowed: true } }
const { signal } = new AbortController()
const bob = person('github:bob', 'github:ds', 'github:org')
const question = mayConnectIn('team', bob)

test('a SubjectAccessReview names the user, the uid and the groups, and what upstream asks for', async () => {
  const { posted, options } = apiServer(yes)
  expect(await subjectAccessReviewer(options).review(question, signal)).toBe('allowed')
  expect(posted).toEqual([
    {
      path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: 'github:bob',
          uid: 'sub-github:bob',
          groups: ['github:ds', 'github:org'],
          resourceAttributes: {
            namespace: 'team',
            verb: 'create',
            group: 'connection.workspace.jupyter.org',
            resource: 'workspaceconnections',
          },
        },
      },
    },
  ])
})

test('installed for one namespace it asks there, and says no elsewhere without asking', async () => {
  const { posted, options } = apiServer(yes)
  const reviewer = subjectAccessReviewer({ ...options, namespaces: ['team'] })
  expect(await reviewer.review(question, signal)).toBe('allowed')
  expect(await reviewer.review(mayConnectIn('other', bob), signal)).toBe('denied')
  expect(posted).toHaveLength(1)
  expect(posted[0]).toMatchObject({
    path: '/apis/authorization.k8s.io/v1/namespaces/team/localsubjectaccessreviews',
    body: { kind: 'LocalSubjectAccessReview', metadata: { namespace: 'team' } },
  })
})

test('the right to share is one on that workspace', async () => {
  const { posted, options } = apiServer(yes)
  const entry = { ref: { namespace: 'team', name: 'nb' } }
  await subjectAccessReviewer(options).review(mayGrant('share', entry, bob), signal)
  const resourceAttributes = {
    namespace: 'team',
    verb: 'share',
    group: 'workspace.jupyter.org',
    resource: 'workspaces',
    name: 'nb',
  }
  expect(posted[0]?.body).toMatchObject({ spec: { resourceAttributes } })
})

test.each([
  [{ status: { allowed: false } }],
  [{ status: { allowed: true, denied: true } }],
  [{ status: { allowed: 'true' } }],
  [{ status: { allowed: true, notFound: true } }],
  [{ status: {} }],
  [{}],
  [null],
  ['allowed'],
  [[{ status: { allowed: true } }]],
])('%j is no yes', async (answer) => {
  expect(await subjectAccessReviewer(apiServer(answer).options).review(question, signal)).toBe('denied')
})

test('somebody without a name is nobody, and not asked about', async () => {
  const { posted, options } = apiServer(yes)
  expect(await subjectAccessReviewer(options).review(mayConnectIn('team', person('', 'admins')), signal)).toBe('denied')
  expect(posted).toEqual([])
})

describe('a fault', () => {
  test('of the connection is for the caller', async () => {
    const { options } = apiServer(new GatewayError('store_unavailable', 'no connection'))
    await expect(subjectAccessReviewer(options).review(question, signal)).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })

  test.each<ErrorCode>(['not_found', 'invalid_resource', 'internal', 'conflict'])('%s is a logged no', async (code) => {
    const { options, lines, posted } = apiServer(new GatewayError(code, 'as the test says'))
    expect(await subjectAccessReviewer(options).review(question, signal)).toBe('denied')
    expect(posted).toHaveLength(1)
    expect(lines.join()).toContain('as the test says')
  })

  test('of our own rights is a logged no, after what a server needs that has just started', async () => {
    const { options, lines, posted, clock } = apiServer(new GatewayError('store_refused', 'you may not'))
    const reviewing = subjectAccessReviewer(options).review(question, signal)
    await clock.advance(2_000)
    expect(await reviewing).toBe('denied')
    expect(posted).toHaveLength(3)
    expect(lines).toHaveLength(1)
    const early = apiServer(new GatewayError('store_refused', 'not yet'), yes)
    const asking = subjectAccessReviewer(early.options).review(question, signal)
    await early.clock.advance(500)
    expect(await asking).toBe('allowed')
  })

  test('of a name that would lead elsewhere posts nothing', async () => {
    const { options, posted } = apiServer(yes)
    const reviewer = subjectAccessReviewer({ ...options, namespaces: ['../x'] })
    expect(await reviewer.review(mayConnectIn('../x', bob), signal)).toBe('denied')
    expect(posted).toEqual([])
  })

  test('of the asker, who gave up, is his own', async () => {
    const { options } = apiServer(new Error('aborted'))
    const gone = AbortSignal.abort(new Error('gone'))
    await expect(subjectAccessReviewer(options).review(question, gone)).rejects.toThrow('gone')
  })
})

describe('upstream’s access review', () => {
  const open = workspace({ name: 'open', owner: 'alice', spec: { accessType: 'Public' } })
  const entryOf = (of: typeof open) => ({
    ...{ ref: { namespace: 'team', name: of.metadata.name }, uid: of.metadata.uid, workspace: of, shares: [] },
    ports: [{ name: 'http', port: 8888, expose: true, path: 'preserve' as const }] as const,
    instance: undefined,
    state: { phase: 'Stopped' as const, reason: '', message: '', steps: [] },
  })
  const both = (
    ...answers: readonly unknown[]
  ): { upstream: ReturnType<typeof apiServer>; others: ReturnType<typeof scriptedReviewer>; reviewer: Reviewer } => {
    const upstream = apiServer(...answers)
    const others = scriptedReviewer('denied')
    return {
      upstream,
      others,
      reviewer: connectionAccessReviewer(upstream.options, others),
    }
  }

  test('is asked of each workspace by its name', () => {
    expect(connectionAccessReviewer(apiServer(yes).options, scriptedReviewer()).isPerWorkspace).toBe(true)
  })

  test('decides about what is public and what is one’s own', async () => {
    const { upstream, others, reviewer } = both({ status: { allowed: true, notFound: false, reason: 'fine' } })
    const alice = person('alice')
    expect(await reviewer.review(mayConnect(reviewer, entryOf(open), bob, { kind: 'public' }), signal)).toBe('allowed')
    expect(await reviewer.review(mayConnect(reviewer, entryOf(open), alice, { kind: 'owner' }), signal)).toBe('allowed')
    expect(others.asked).toEqual([])
    expect(upstream.posted[0]).toEqual({
      path: '/apis/connection.workspace.jupyter.org/v1alpha1/namespaces/team/connectionaccessreviews',
      body: {
        apiVersion: 'connection.workspace.jupyter.org/v1alpha1',
        kind: 'ConnectionAccessReview',
        metadata: { namespace: 'team' },
        spec: { workspaceName: 'open', user: 'github:bob', uid: 'sub-github:bob', groups: ['github:ds', 'github:org'] },
      },
    })
  })

  test('is not asked about grants that upstream does not know, nor about other rights', async () => {
    const { upstream, others, reviewer } = both(yes)
    const entry = entryOf(open)
    const asked = [
      mayConnect(reviewer, entry, bob, { kind: 'administrator' }),
      // An owner by a share is none to upstream.
      mayConnect(reviewer, entry, bob, { kind: 'owner' }),
      mayConnectIn('team', bob),
      mayGrant('share', entry, bob),
    ]
    for (const one of asked) expect(await reviewer.review(one, signal)).toBe('denied')
    expect(others.asked).toEqual(asked)
    expect(upstream.posted).toEqual([])
  })

  test('that does not find the workspace says no', async () => {
    const { reviewer } = both({ status: { allowed: true, notFound: true, reason: 'Workspace not found' } })
    expect(await reviewer.review(mayConnect(reviewer, entryOf(open), bob, { kind: 'public' }), signal)).toBe('denied')
  })
})
