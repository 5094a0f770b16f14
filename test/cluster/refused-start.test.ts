/** Installations of the chart that must not come up: with a secret that is none, or an issuer by plain HTTP, wherever an administrator has written it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { leastValues } from '#test/support/chart.ts'
import { openNamespace, tryKubectl } from '#test/support/cluster.ts'
import { apply, listObjects, readObject } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { gatewayImage } from '#test/support/cluster-site/gateway-image.ts'
import { chartFolder, helm, removeRelease } from '#test/support/cluster-site/helm.ts'
import { describeWith } from '#test/support/real-parts.ts'

interface ContainerState {
  readonly terminated?: { readonly exitCode: number }
}

interface Pod {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly containerStatuses?: readonly { readonly state: ContainerState; readonly lastState: ContainerState }[]
  }
}

interface Manager {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly message: string }[] }
}

interface Installed {
  readonly pod: () => Promise<Pod | undefined>
  readonly isReady: () => Promise<boolean>
  /** All that its container has said, this one and the one before. */
  readonly said: () => Promise<string>
  readonly condition: () => Promise<string | undefined>
  /** Keys and leases of a gateway that runs. */
  readonly made: () => Promise<readonly string[]>
}

const patience = { timeout: 40_000, interval: 250 }
const placeholder = 'changeme'
const prefixes = { usernamePrefix: 'x:', groupsPrefix: 'x:' }
const plainIssuer = { id: 'a', issuer: 'http://idp.example.com', clientId: 'g', ...prefixes }
const weakIssuer = { ...plainIssuer, issuer: 'https://idp.example.com' }
const managerWith = (issuer: object) => ({ manager: { spec: { ...leastValues.manager.spec, oidc: [issuer] } } })
const clientSecretRef = { name: 'gatehouse-oidc', key: 'client-secret' }

describeWith('helm', 'an installation', () => {
  const opened = new AsyncDisposableStack()
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-start-'))
    opened.defer(() => rm(folder, { recursive: true }))
    await installCrds()
  }, 60_000)
  afterAll(() => opened.disposeAsync(), 60_000)

  /** Nobody waits for it to be ready. */
  async function install(values: object): Promise<Installed> {
    const { name: namespace } = opened.use(await openNamespace('gh-start'))
    opened.defer(() => removeRelease(namespace, namespace))
    const [, repository = '', tag = ''] = /^(.*):([^:/]+)$/.exec(gatewayImage) ?? []
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: clientSecretRef.name } }
    await apply({ ...secret, stringData: { [clientSecretRef.key]: placeholder } })
    const file = join(folder, `${namespace}.json`)
    const least = { ...leastValues, replicas: 1, namespaces: [namespace], image: { repository, tag } }
    await writeFile(file, JSON.stringify({ ...least, ...values }))
    const asked = ['install', namespace, chartFolder, '--namespace', namespace, '--skip-crds', '--values', file]
    await helm(asked)
    const pod = async () => {
      const labelSelector = `app.kubernetes.io/instance=${namespace}`
      return (await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace, labelSelector }))[0]
    }
    const logs = async (name: string, ...more: string[]) =>
      (await tryKubectl(['-n', namespace, 'logs', name, ...more])).stdout
    return {
      pod,
      isReady: async () =>
        (await pod())?.status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false,
      async said() {
        const name = (await pod())?.metadata.name ?? ''
        return (await logs(name, '--previous')) + (await logs(name))
      },
      async condition() {
        const at = { apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'WorkspaceManager' }
        const manager = await readObject<Manager>({ ...at, metadata: { namespace, name: namespace } })
        return manager.status?.conditions?.find(({ type }) => type === 'Accepted')?.message
      },
      async made() {
        const leases = await listObjects<Pod>({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace })
        const keys = { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'gatehouse-session-keys' } }
        const { data = {} } = await readObject<{ readonly data?: object }>(keys)
        return [...leases.map(({ metadata }) => metadata.name), ...Object.keys(data)]
      },
    }
  }

  /** Of a container that has ended. */
  const exitCodes = async ({ pod }: Installed) => {
    const [status] = (await pod())?.status.containerStatuses ?? []
    const ends = [status?.state, status?.lastState].flatMap((state) => state?.terminated ?? [])
    return ends.map(({ exitCode }) => exitCode)
  }

  /** What it said, by the read that has `text`: while a container is begun anew, the one before may be gone already, and a read finds nothing. */
  const wordsWith = (text: string, { said }: Installed): Promise<string> =>
    vi.waitFor(async () => {
      const words = await said()
      expect(words).toContain(text)
      return words
    }, patience)

  test('[JK6.4] whose settings name a default secret or an http issuer ends with a word about it, and has made nothing; one whose manager does serves nobody; with the flag of its own it comes up, and says what that means', async () => {
    const weak = { ...weakIssuer, clientSecret: { env: 'OIDC_SECRET' } }
    const [plainFile, weakFile, plainManager, weakManager, flagged] = await Promise.all([
      install({ settings: { oidc: [plainIssuer] } }),
      install({ settings: { oidc: [weak] }, env: [{ name: 'OIDC_SECRET', value: placeholder }] }),
      install(managerWith(plainIssuer)),
      install(managerWith({ ...weakIssuer, clientSecretRef })),
      install({ ...managerWith(plainIssuer), settings: { insecureHttpIssuer: true } }),
    ])
    for (const [installed, path, said] of [
      [plainFile, 'oidc[0].issuer', 'must be https'],
      [weakFile, 'oidc[0].clientSecret', 'placeholder'],
    ] as const) {
      await expect.poll(() => exitCodes(installed), patience).toContain(1)
      const words = await wordsWith(`${path}: `, installed)
      expect(words).toContain(said)
      expect(words).not.toContain(placeholder)
      expect(await installed.made()).toEqual([])
    }
    await expect.poll(plainManager.condition, patience).toContain('must be https')
    await expect.poll(weakManager.condition, patience).toContain('placeholder')
    await expect.poll(flagged.isReady, patience).toBe(true)
    await wordsWith('"setting":"insecureHttpIssuer"', flagged)
    for (const installed of [plainFile, weakFile, plainManager, weakManager])
      expect(await installed.isReady()).toBe(false)
    for (const installed of [plainManager, weakManager]) {
      const words = await wordsWith('is refused', installed)
      expect(words).not.toContain(placeholder)
    }
  }, 240_000)
})
