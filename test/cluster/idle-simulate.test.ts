import { expect, test } from 'vitest'
import { activityName } from '#activity/activity-record.ts'
import { sayHistory, spanOf } from '#activity/history.ts'
import { idle } from '#cli/idle.ts'
import { openRecords } from '#compose/idle-records.ts'
import { systemClock } from '#lib/clock.ts'
import { openNamespace } from '#test/support/cluster.ts'
import { apply, kubeconfigPath } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { uidOf, workspaceManifest } from '#test/support/pod-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'gatehouse idle simulate', () => {
  test('reads what the gateways of a cluster recorded, of two replicas, as an administrator', {
    timeout: 60_000,
  }, async () => {
    await installCrds()
    await using team = await openNamespace()
    await using gatehouse = await openNamespace()
    await apply(workspaceManifest(team.name, 'nb', { desiredStatus: 'Stopped' }))
    const uid = await uidOf(team.name, 'workspace', 'nb')
    const last = spanOf(Date.now())
    const seen = (from: number, to: number, sum: number) =>
      sayHistory(new Map(Array.from({ length: from - to }, (_, at) => [last - from + at, sum])), Date.now())
    const records = [
      ['one', seen(240, 120, 16)],
      ['two', seen(120, 0, 18)],
    ] as const
    const kind = { apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceActivity' }
    await apply(
      ...records.map(([replica, history]) => ({
        ...{ ...kind, metadata: { namespace: gatehouse.name, name: activityName(uid, replica) } },
        spec: { workspace: { namespace: team.name, name: 'nb', uid }, replica, history },
      })),
    )
    let out = ''
    const io = { stdout: { write: (text: string) => (out += text) }, stderr: process.stderr, env: {} }
    const args = ['simulate', '--timeout', '30m', '-n', team.name, '-o', 'json', '--kubeconfig', kubeconfigPath()]
    expect(await idle(args, { ...io, clock: systemClock, openRecords })).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      ...{ ranSeconds: 240 * 300, savedSeconds: 113 * 300, people: 1, peopleHit: [] },
      workspaces: [{ namespace: team.name, name: 'nb', stops: 1, returns: 0, broken: 0 }],
    })
  })
})
