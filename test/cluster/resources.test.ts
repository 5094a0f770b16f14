import { afterAll, beforeAll } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { namespaces } from '#test/behaviour/resources/samples.ts'
import { describeResources } from '#test/behaviour/resources/suite.ts'
import { kubeconfigPath, kubectl } from '#test/support/cluster.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'the API server as a store', () => {
  beforeAll(async () => {
    await installCrds()
    for (const name of namespaces) await kubectl(['create', 'namespace', name])
  })
  afterAll(() => kubectl(['delete', 'namespace', ...namespaces, '--wait=false', '--ignore-not-found']))

  describeResources('kubernetes', async () => {
    const ending = new AbortController()
    const { signal } = ending
    const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
    const client = openApiClient({ access, clock: systemClock, signal })
    const resources = kubernetesResources({ client, onUnreadable: () => undefined })
    return { resources, [Symbol.asyncDispose]: async () => ending.abort() }
  })
})
