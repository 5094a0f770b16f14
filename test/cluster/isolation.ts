/** A page of one pod, in a real Chromium, against everything else that its visitor may do: the attack of `test/browser` in a cluster. */
import { checkTools, expectNothingCanBeDone, type Ground, type Victim } from '#test/browser/attack.ts'
import { type Arrived, answersOf, dropSameSite, secretOf } from '#test/browser/isolation-scene.ts'
import { openSiteChromium } from '#test/support/cluster-site/chromium.ts'
import { logOf } from '#test/support/cluster-site/insight.ts'
import { type ClusterSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import { keeperContainer } from '#test/support/echo-container.ts'

/** Bob's, which alice visits, and two of hers, of which she visits the first. */
export async function attackInCluster(program: string, site: ClusterSite): Promise<void> {
  const began = new Date()
  await using chromium = await openSiteChromium(program, site)
  const page = await chromium.person('alice')
  const keep = (name: string, owner: string, spec: object = {}) =>
    site.workspace(name, { owner, spec, container: keeperContainer(answersOf(secretOf(name))) })
  const [lair, visited, fresh] = await Promise.all([
    keep('lair', 'bob', { accessType: 'Public' }),
    keep('visited', 'alice'),
    keep('fresh', 'alice'),
  ])
  const carol = await site.as('carol')
  for (const { url } of [lair, visited, fresh]) await openWhenRunning(carol, url)
  await page.goto(visited.url)
  const heard = async ({ ref }: SiteWorkspace) => {
    const lines = (await site.kubectl(['logs', `deployment/workspace-${ref.name}`])).split('\n')
    const arrived = lines.filter((line) => line.startsWith('{')).map((line): Arrived => JSON.parse(line))
    // Of a socket that was opened its request is among them.
    return { arrived, sockets: 0 }
  }
  const isOneOrigin = new URL(lair.url).origin === new URL(visited.url).origin
  const victim: Victim = {
    ref: visited.ref,
    // In path mode what workspaces do to each other is not Gatehouse's to prevent.
    ...(isOneOrigin
      ? { keepers: [], urls: [] }
      : { keepers: [visited, fresh].map((one) => ({ heard: () => heard(one) })), urls: [visited.url, fresh.url] }),
  }
  const ground: Ground = {
    origin: site.origin,
    async audit() {
      const logs = await Promise.all(site.replicas.map(({ pod }) => logOf(site, pod, began)))
      return logs.flat().filter((line) => 'event' in line)
    },
  }
  await page.goto(lair.url)
  await checkTools(page, lair.url, secretOf('lair'))
  await expectNothingCanBeDone(ground, page, victim)
  await dropSameSite(page.context())
  await page.goto(lair.url)
  await expectNothingCanBeDone(ground, page, victim)
}
