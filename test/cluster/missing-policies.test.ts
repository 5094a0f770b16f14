/** What leans on an admission policy is off while that is missing, and whoever can mend it sees so. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { type InstalledPolicies, installPolicies } from '#test/support/cluster-install.ts'
import { openWhenRunning } from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openServed, type ServedCluster, type ServedReplica } from '#test/support/served-cluster.ts'
import { openSocket } from '#test/support/workspace-socket.ts'

const names = ['gatehouse-workspace-owner', 'gatehouse-workspace-share', 'gatehouse-gateway-account']
/** One of them is asked about every 6 s. */
const soon = { timeout: 20_000, interval: 250 }

describeWith('cluster', 'admission policies that are missing', () => {
  let world: ServedCluster
  let policies: InstalledPolicies
  let replica: ServedReplica
  beforeAll(async () => {
    world = await openServed()
    policies = await install()
    replica = await world.start()
  }, 120_000)
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]()
    await policies?.[Symbol.asyncDispose]()
  })

  const install = () => installPolicies({ account: world.account.username, namespaces: [world.namespace, world.team] })
  const consoleOf = async (browser: ScriptedBrowser) => (await browser.tab().open(`${world.origin}/`)).body
  const ask = async (browser: ScriptedBrowser, method: string, path: string, body?: object) => {
    const tab = browser.tab()
    await tab.open(`${world.origin}/`)
    const said = body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
    return tab.fetch(world.origin + path, { method, ...said })
  }
  const managerSays = async () => {
    const path = '{.status.conditions[?(@.type=="PoliciesInForce")]}'
    const text = await world.ours(['get', 'workspacemanager', world.namespace, '-o', `jsonpath=${path}`])
    return text === '' ? undefined : JSON.parse(text)
  }

  test('#107 turn off within seconds what leans on them: owners, shares, starts and stops; and on again when they are back', {
    timeout: 120_000,
  }, async () => {
    await world.workspace('nb', 'alice')
    const url = world.url('nb')
    const ref = { namespace: world.team, name: 'nb' }
    const [alice, bob, carol] = [await world.as('alice'), await world.as('bob'), await world.as('carol')]
    await openWhenRunning(alice, url)
    const grantees = [{ kind: 'User', name: 'bob' }]
    expect((await ask(alice, 'POST', api.shares(ref), { grantees, access: 'modify' })).status).toBe(201)
    await expect.poll(async () => (await bob.open(url)).status, soon).toBe(200)
    expect(await consoleOf(carol)).not.toContain('data-key="policies"')
    await expect.poll(managerSays, soon).toMatchObject({ status: 'True', reason: 'InForce' })
    for (const name of names) expect(await replica.figures()).toContain(`gatehouse_policy_in_force{policy="${name}"} 1`)

    using hers = await openSocket(alice, url)
    using his = await openSocket(bob, url)
    await policies[Symbol.asyncDispose]()
    expect((await hers.closed).code).toBe(1008)
    expect((await his.closed).code).toBe(1008)
    for (const browser of [alice, bob]) expect((await browser.open(url)).status).toBe(403)
    expect((await carol.open(url)).status).toBe(200)
    expect((await ask(carol, 'POST', api.stop(ref))).status).toBe(403)

    const seen = await consoleOf(carol)
    for (const name of names) expect(seen).toContain(`<code>${name}</code>`)
    expect(await consoleOf(alice)).not.toContain('policies')
    expect(JSON.parse((await ask(alice, 'GET', api.problems)).body)).toEqual({ problems: [], missingPolicies: [] })
    expect(JSON.parse((await ask(carol, 'GET', api.problems)).body).missingPolicies).toHaveLength(3)
    await expect.poll(managerSays, soon).toMatchObject({ status: 'False', reason: 'Missing' })
    const { message } = await managerSays()
    for (const name of names) {
      expect(message).toContain(name)
      expect(await replica.figures()).toContain(`gatehouse_policy_in_force{policy="${name}"} 0`)
      expect(replica.lines.some((line) => line.includes('"warn"') && line.includes(name))).toBe(true)
    }
    expect(await world.ours(['get', 'workspacemanager'])).toMatch(/POLICIES[^\n]*\n[^\n]*Missing/)

    policies = await install()
    await expect.poll(async () => (await alice.open(url)).status, soon).toBe(200)
    expect((await bob.open(url)).status).toBe(200)
    expect(await consoleOf(carol)).not.toContain('data-key="policies"')
    await expect.poll(managerSays, soon).toMatchObject({ status: 'True', reason: 'InForce', message: '' })
    expect((await ask(bob, 'POST', api.stop(ref))).status).toBeLessThan(300)
  })
})
