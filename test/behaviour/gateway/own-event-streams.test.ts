/** Gatehouse's own news of a workspace is for those who may see it, and for as long as they may. */
import { expect, test } from 'vitest'
import { api, paths } from '#surface/urls.ts'
import { dateFollows } from '#test/support/date-follows.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { liveRequest } from '#test/support/plain-request.ts'
import { scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { createWorld } from '#test/support/world.ts'
import { callApi, cookieFor, press, revocationBound, share, withBob } from './scene.ts'

const minute = 60_000
const ref = { namespace: 'team', name: 'nb' }
const withGroup = { grantees: [{ kind: 'Group', name: 'ds' }] } as const

async function scene() {
  const clock = fakeClock(Date.now())
  await using opened = new AsyncDisposableStack()
  opened.use(dateFollows(clock))
  const reviewer = scriptedReviewer()
  const world = opened.use(await createWorld({ clock, reviewer }))
  await world.workspace({ name: 'nb', owner: 'alice' })
  const people = { alice: await world.as('alice'), bob: await world.as('bob'), dave: await world.as('dave') }
  const { name: shareOfBob } = await share(world, people.alice, ref, withBob)
  await share(world, people.alice, ref, withGroup)
  // No such stream lives for long, so it begins shortly before the renewal.
  await clock.advance(45 * minute)
  const news = async (who: keyof typeof people) => {
    const answer = await liveRequest(world.origin + api.events(ref), { headers: cookieFor(people[who], world.origin) })
    await world.until(() => answer.text().includes('event: workspace'), `the first news for ${who}`)
    return opened.use(answer)
  }
  const streams = { alice: await news('alice'), bob: await news('bob'), dave: await news('dave') }
  const all = opened.move()
  return { clock, world, reviewer, people, shareOfBob, streams, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

type Scene = Awaited<ReturnType<typeof scene>>

const causes: readonly { what: string; who: 'bob' | 'dave'; last: string; act(scene: Scene): Promise<unknown> }[] = [
  {
    what: 'a revoked share',
    ...{ who: 'bob', last: 'gone' },
    act: ({ world, people, shareOfBob }) => callApi(world, people.alice, 'DELETE', api.share(ref, shareOfBob)),
  },
  {
    what: 'a logout',
    ...{ who: 'bob', last: 'end' },
    async act({ world, people }) {
      await people.bob.open(`${world.origin}/`)
      await press(people.bob, paths.logout)
    },
  },
  {
    what: 'a group that the issuer does not name any more at the renewal',
    ...{ who: 'dave', last: 'gone' },
    async act({ world, clock, people }) {
      world.identityProvider.admin.setGroups('dave', ['other'])
      await clock.advance(6 * minute)
      await people.dave.navigate(`${world.origin}/`)
    },
  },
]

test.each(causes)('$what ends the news of who may not see the workspace any more', async ({ who, last, act }) => {
  await using given = await scene()
  const began = performance.now()
  await act(given)
  const ended = await given.streams[who].ended
  expect(ended.at - began).toBeLessThan(revocationBound)
  expect(given.streams[who].text()).toMatch(new RegExp(`event: ${last}\\ndata: {}\\n\\n$`))
})

test('what RBAC alone takes away ends them within 25 s, and is no news to others', async () => {
  await using given = await scene()
  const { clock, reviewer, streams } = given
  reviewer.says = ({ subject }) => (subject.username === 'bob' ? 'denied' : 'allowed')
  await clock.advance(25_000)
  await streams.bob.ended
  const eventsOf = (who: keyof typeof streams) => streams[who].text().match(/^event: .*$/gm)
  expect(eventsOf('bob')).toEqual(['event: workspace', 'event: gone'])
  expect([eventsOf('alice'), eventsOf('dave')]).toEqual([['event: workspace'], ['event: workspace']])
  expect([streams.alice.isOpen(), streams.dave.isOpen()]).toEqual([true, true])
})
