/** `gatehouse logs` beside a real API server: a person's own kubeconfig, his own rights, and a container that ended once. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { apply, kubeconfigPath } from '#test/support/cluster-api.ts'
import { testImage } from '#test/support/echo-container.ts'
import { eventually } from '#test/support/laptop-site.ts'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { describeWith } from '#test/support/real-parts.ts'

const program = `if [ -e /state/once ]; then echo second run; while :; do sleep 0.3; echo more; done; fi
touch /state/once; echo first run; exit 3`

const root = join(import.meta.dirname, '../..')

/** The administrator's kubeconfig, as somebody else. */
async function kubeconfigOf(machine: PersonMachine, user: string): Promise<Record<string, string>> {
  const config = JSON.parse(
    await kubectl(['config', 'view', '--raw', '--output=json'], { kubeconfig: kubeconfigPath() }),
  )
  for (const one of config.users) one.user.as = user
  const file = join(machine.home, `${user}.json`)
  await writeFile(file, JSON.stringify(config), { mode: 0o600 })
  return { KUBECONFIG: file }
}

describeWith('cluster', 'the log of a workspace', () => {
  test('[SO7.1] [SO7.2] [SO7.3] [SO7.4] [SO7.5] [SO7.6] logs, by its own name, its alias and as a kubectl plugin: followed, of the container before, and with the rights of whoever asks', {
    timeout: 120_000,
  }, async () => {
    await using namespace = await openNamespace('gh-logs')
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'nb1-0', namespace: namespace.name, labels: { 'workspace.jupyter.org/workspace-name': 'nb1' } },
      spec: {
        terminationGracePeriodSeconds: 0,
        volumes: [{ name: 'state', emptyDir: {} }],
        containers: [
          {
            name: 'workspace',
            image: testImage,
            command: ['sh', '-c', program],
            volumeMounts: [{ name: 'state', mountPath: '/state' }],
          },
        ],
      },
    }
    const roles = [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'reader', namespace: namespace.name },
        rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'reader', namespace: namespace.name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
        subjects: [{ kind: 'User', name: 'alice' }],
      },
    ]
    await apply(pod, ...roles)
    await using machine = await personMachine()
    await using plugin = await personMachine({ program: ['kubectl'] })
    const bin = join(plugin.home, 'bin')
    await mkdir(bin)
    await symlink(join(root, 'bin/gatehouse.js'), join(bin, 'kubectl-gatehouse'))
    const PATH = [bin, dirname(process.execPath), process.env.PATH].join(delimiter)
    const alice = await kubeconfigOf(machine, 'alice')
    const stranger = await kubeconfigOf(machine, 'mallory')
    const here = ['-n', namespace.name]

    const bare = await machine.run(['logs'], alice)
    expect(bare).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage: gatehouse logs/), stderr: '' })
    await eventually(
      async () => (await machine.run(['log', `${namespace.name}/nb1`, '-p'], alice)).stdout === 'first run\n',
      'the log of the container before',
      60_000,
    )
    for (const follow of [
      () => machine.begin(['logs', 'nb1', '-f', ...here], alice),
      () => plugin.begin(['gatehouse', 'logs', 'nb1', '-f', ...here], { ...alice, PATH }),
    ]) {
      await using followed = follow()
      await eventually(
        () => /^second run\n(?:more\n)*more\nmore\n/.test(followed.stdout()),
        'lines that came meanwhile',
      )
      followed.kill('SIGINT')
      expect((await followed.ended).code).not.toBe(0)
    }
    const unknown = await machine.run(['logs', 'nb2', '-f', ...here], alice)
    expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('"gatehouse list"') })
    const refused = await machine.run(['logs', 'nb1', '-f', ...here, '--tail', '5'], stranger)
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('(Forbidden)') })
    const status = await plugin.run(['get', 'pods', ...here, '-v=6'], { ...stranger, PATH })
    expect(status.stderr).toMatch(/403 Forbidden/)
  })
})
