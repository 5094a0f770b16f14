import { lookup } from 'node:dns'
import { expect, test } from 'vitest'
import { machineIssuers } from '#compose/machines.ts'
import { openMachineSessions } from '#identity/machine-sessions.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { kubeconfigPath } from '#test/support/cluster-api.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { settingsOf } from '#test/unit/settings/settings-world.ts'

/** What the API server writes into its tokens. */
async function issuerOfCluster(): Promise<string> {
  const { issuer }: { issuer: string } = JSON.parse(
    await kubectl(['get', '--raw', '/.well-known/openid-configuration']),
  )
  return issuer
}

async function openWorld(machine: string, kubeconfig: string) {
  const clock = systemClock
  const ending = new AbortController()
  const { signal } = ending
  const log = createLog({ level: 'debug', clock, sink: memoryLines() })
  const client = openApiClient({ access: kubeconfigAccess({ file: kubeconfig, clock }), clock, signal })
  const settings = await settingsOf({ face: 'serve', file: `machines: [${machine}]` })
  const issuers = machineIssuers({ settings, client, lookup, clock, log, signal })
  const sessions = openMachineSessions({ issuers, isLocked: () => false, clock, log })
  return { sessions, [Symbol.dispose]: () => ending.abort() }
}

describeWith('cluster', 'a ServiceAccount of the cluster', () => {
  test("with `kubectl create token` is a session where issuer, audience and subject are right to the letter, by the cluster's own keys", async () => {
    await using namespace = await openNamespace()
    await using gateway = await openGatewayAccount(namespace.name)
    await kubectl(['create', 'serviceaccount', 'bot', '-n', namespace.name])
    await kubectl(['create', 'serviceaccount', 'bou', '-n', namespace.name])
    const issuer = await issuerOfCluster()
    const subject = `system:serviceaccount:${namespace.name}:bot`
    const create = async (name: string, audience: string) =>
      (await kubectl(['create', 'token', name, '-n', namespace.name, '--audience', audience])).trim()
    using world = await openWorld(`{issuer: "${issuer}", subjects: ["${subject}"]}`, gateway.kubeconfig)
    const token = await create('bot', 'gatehouse')
    expect(await world.sessions.resolve(token)).toMatchObject({
      kind: 'session',
      session: { kind: 'machine', identity: { kind: 'machine', username: subject } },
    })
    const refused = { kind: 'anonymous' }
    const forAnApp = await create('bot', 'gatehousf')
    expect(world.sessions.isOurs(forAnApp)).toBe(false)
    expect(await world.sessions.resolve(forAnApp)).toMatchObject(refused)
    expect(await world.sessions.resolve(await create('bou', 'gatehouse'))).toMatchObject(refused)
    const [head = '', body = '', signature = ''] = token.split('.')
    const other = signature[9] === 'A' ? 'B' : 'A'
    expect(
      await world.sessions.resolve(`${head}.${body}.${signature.slice(0, 9)}${other}${signature.slice(10)}`),
    ).toMatchObject(refused)
    using elsewhere = await openWorld(`{issuer: "${issuer}x", subjects: ["${subject}"]}`, gateway.kubeconfig)
    expect(elsewhere.sessions.isOurs(token)).toBe(false)
    expect(await elsewhere.sessions.resolve(token)).toMatchObject(refused)
  })

  test('is known no more once it is deleted, where the API server is asked', async () => {
    await using namespace = await openNamespace()
    await kubectl(['create', 'serviceaccount', 'bot', '-n', namespace.name])
    const subject = `system:serviceaccount:${namespace.name}:bot`
    const machine = `{issuer: "${await issuerOfCluster()}", subjects: ["${subject}"], tokenReview: true}`
    const token = (await kubectl(['create', 'token', 'bot', '-n', namespace.name, '--audience', 'gatehouse'])).trim()
    using before = await openWorld(machine, kubeconfigPath())
    expect(await before.sessions.resolve(token)).toMatchObject({ kind: 'session' })
    await kubectl(['delete', 'serviceaccount', 'bot', '-n', namespace.name])
    await expect
      .poll(
        async () => {
          using after = await openWorld(machine, kubeconfigPath())
          return (await after.sessions.resolve(token)).kind
        },
        { timeout: 15_000, interval: 500 },
      )
      .toBe('anonymous')
  })
})
