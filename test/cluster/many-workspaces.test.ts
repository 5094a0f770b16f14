/**
 * A cluster of many Workspaces that are stopped: a gateway that starts there serves soon. 500 in every run, 5,000 by `npm run many:cluster`; what
 * runs as well is in the benchmark.
 */
import { expect, test } from 'vitest'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import { startGateway } from '#test/bench/cluster/gateway-process.ts'
import { getPage } from '#test/bench/cluster/replica.ts'
import { type BenchSite, openSite, people } from '#test/bench/cluster/site.ts'
import { openReception } from '#test/bench/cluster/visitor.ts'
import { describeWith } from '#test/support/real-parts.ts'

const count = Number(process.env.GATEHOUSE_MANY_WORKSPACES ?? 500)
/** Only so many are what it says. */
const clause = count >= 5_000 ? '[JK12.4] ' : ''
const atOnce = 32

describeWith('cluster', `${count} workspaces`, () => {
  test(`${clause}are known to a gateway within 5 s of its start, the first as the last`, async () => {
    await using site = await openSite(1)
    const [namespace = ''] = site.namespaces
    await createWorkspaces(site, namespace)
    // On one core, as a replica has, and before whatever else this machine does there.
    await using gateway = await startGateway(site, { core: 1 })
    expect(gateway.readyAfter, gateway.log()).toBeLessThan(5_000)
    using reception = await openReception(site)
    const owner = await reception.welcome(people.owner)
    const guest = await reception.welcome(people.guest)
    for (const name of ['nb-0', `nb-${count - 1}`]) {
      const ref = { namespace, name }
      // Its owner is told that it is stopped, which takes knowing it.
      expect(await getPage(gateway, owner.headersFor(ref))).toMatchObject({ status: 424 })
      expect(await getPage(gateway, guest.headersFor(ref))).toMatchObject({ status: 403 })
    }
  }, 300_000)
})

async function createWorkspaces({ client, manager }: BenchSite, namespace: string): Promise<void> {
  const path = resourcePath(
    { group: 'workspace.jupyter.org', version: 'v1alpha1', plural: 'workspaces' },
    { namespace },
  )
  const annotations = { 'workspace.jupyter.org/created-by': people.owner }
  const spec = { displayName: 'Notebook', image: 'app', desiredStatus: 'Stopped', managerRef: { name: manager } }
  let next = 0
  const work = async () => {
    for (let index = next++; index < count; index = next++) {
      const metadata = { namespace, name: `nb-${index}`, annotations }
      await client.post(path, { apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace', metadata, spec })
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}
