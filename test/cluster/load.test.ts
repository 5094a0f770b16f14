/**
 * How busy the processors of a pod are, asked of the real API server with the rights of the gateway's account, as a real metrics-server has measured it at
 * the kubelet. It knows of the pods of tests beside this one as well, which are judged by it meanwhile as they would be anywhere.
 */
import { expect, test } from 'vitest'
import { type Load, type LoadStory, loadAfter, loadOf, nothingRead } from '#activity/load.ts'
import type { Instance, LoadReading } from '#runtime/contract.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { shellContainer } from '#test/support/echo-container.ts'
import { openGatewayAccount } from '#test/support/gateway-account.ts'
import { metricsApi, startMetricsServer } from '#test/support/metrics-server.ts'
import { type FollowedPods, followPods, isRunning, openPodWorld } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { patience, until } from '#test/support/until.ts'

const never = new AbortController().signal
const minute = 60_000

describeWith('cluster', 'the load of a pod', () => {
  describeWith('metrics-server', 'with a real metrics-server', (program) => {
    test('is what the metrics API says of it; without one, without the right to it, or while it is away, it is missing', {
      timeout: 4 * patience,
    }, async () => {
      await installCrds()
      // Nothing that is there already is replaced, and nothing is claimed without having been seen.
      expect((await tryKubectl(['get', 'apiservice', metricsApi])).code, 'a cluster without a metrics API').not.toBe(0)
      await using world = await openPodWorld()
      const resources = { limits: { cpu: '300m' } }
      await world.put('works', shellContainer('while :; do :; done'), { resources })
      await world.put('waits', shellContainer('sleep 600'))
      await using account = await openGatewayAccount(world.namespace)
      await using narrow = await followPods({ kubeconfig: account.kubeconfig, namespaces: [world.namespace] })
      const running = (name: string) =>
        until(() => narrow.instances().find((one) => one.ref.name === name && isRunning(one)))
      const [works, waits] = [await running('works'), await running('waits')]
      const becomes = (reading: Partial<LoadReading>, of = waits) =>
        expect.poll(() => narrow.runtime.load(of, never), { timeout: patience, interval: 500 }).toMatchObject(reading)
      expect(await narrow.runtime.load(waits, never)).toEqual({
        ...{ kind: 'missing', problem: 'the cluster has no metrics API', isEverywhere: true },
      })
      await using _ = await startMetricsServer(world.namespace, program)
      await becomes({ kind: 'used', limit: 0.3 }, works)
      await becomes({ kind: 'used' })
      expect(await judged(narrow, works)).toMatchObject({ kind: 'busy' })
      expect(await judged(narrow, waits)).toEqual({ kind: 'quiet' })
      await world.put('new', shellContainer('sleep 600'))
      await becomes(
        { kind: 'missing', problem: 'there are no figures of its pod', isPassing: true },
        await running('new'),
      )
      const role = ['-n', world.namespace, 'role', 'gatehouse-gateway-workspaces']
      const { rules } = JSON.parse(await kubectl(['get', ...role, '-o', 'json']))
      const withRules = (some: object[]) =>
        kubectl(['patch', ...role, '--type=merge', '-p', JSON.stringify({ rules: some })])
      await withRules(rules.filter(({ apiGroups }: { apiGroups: string[] }) => !apiGroups.includes('metrics.k8s.io')))
      await becomes({ kind: 'missing', problem: expect.stringContaining('no right'), isEverywhere: true })
      await withRules(rules)
      await becomes({ kind: 'used' })
      await kubectl(['-n', world.namespace, 'delete', 'pod/metrics-server'])
      await becomes({
        kind: 'missing',
        problem: expect.stringContaining('does not answer'),
        isEverywhere: true,
        isPassing: true,
      })
    })
  })
})

/** By the rule of the gateway, reading after reading, as soon as they say something. */
async function judged({ runtime }: FollowedPods, instance: Instance): Promise<Load> {
  let story: LoadStory = nothingRead
  const look = async () => {
    const moment = { now: Date.now(), timeout: minute }
    story = loadAfter(story, await runtime.load(instance, never), { busy: 0.2, quiet: 0.1 }, moment)
    const load = loadOf(story, minute)
    return load.kind === 'busy' || load.kind === 'quiet' ? load : undefined
  }
  return until(look, () => JSON.stringify(story), 1_000)
}
