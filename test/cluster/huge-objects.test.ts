/** Objects as large as the API server takes them: whoever may make Workspaces must not use up the memory of the gateway with them. */
import { expect, test } from 'vitest'
import { wireForms } from '#compose/wire-forms.ts'
import { systemClock } from '#lib/clock.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { kubectl, openNamespace } from '#test/support/cluster.ts'
import { kubeconfigPath } from '#test/support/cluster-api.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { ownerOf, portsOf, workspaceKind } from '#workspace/workspace.ts'

describeWith('cluster', 'a Workspace of a megabyte', () => {
  test('#108 is known by what the gateway reads of it, in less than four kilobytes, and is never written back as less than it is', async () => {
    await installCrds()
    await using namespace = await openNamespace('gh-huge')
    const annotations = {
      'workspace.jupyter.org/created-by': 'alice',
      'gatehouse.dev/manager': 'mine',
      note: 'x'.repeat(200_000),
    }
    const env = Array.from({ length: 100 }, (_, index) => ({ name: `E${index}`, value: 'y'.repeat(8_000) }))
    const spec = { displayName: 'z'.repeat(50_000), image: 'i', ports: [{ name: 'app', port: 8501 }], env }
    await kubectl(['create', '-f', '-'], {
      input: [
        {
          ...{ apiVersion: 'workspace.jupyter.org/v1alpha1', kind: 'Workspace' },
          metadata: { namespace: namespace.name, name: 'nb', annotations },
          spec,
        },
      ],
    })
    const ending = new AbortController()
    const access = kubeconfigAccess({ file: kubeconfigPath(), clock: systemClock })
    const client = openApiClient({ access, clock: systemClock, signal: ending.signal })
    const resources = kubernetesResources({ client, keeping: wireForms, onUnreadable: () => undefined })
    const { items } = await resources.list(workspaceKind, { namespace: namespace.name })
    const [workspace] = items
    if (!workspace) throw new Error('it is not there')
    expect(JSON.stringify(workspace).length).toBeLessThan(4_096)
    expect(ownerOf(workspace)).toBe('alice')
    expect(portsOf(workspace)[0]).toMatchObject({ name: 'app', port: 8501 })
    expect(workspace.spec.managerRef).toEqual({ name: 'mine' })
    expect(workspace.spec.displayName).toBe(`${'z'.repeat(255)}…`)
    await expect(resources.replace(workspaceKind, workspace)).rejects.toMatchObject({ code: 'internal' })
    await resources.patchSpec(workspaceKind, workspace.metadata, { desiredStatus: 'Stopped' })
    const kept = JSON.parse(await kubectl(['-n', namespace.name, 'get', 'workspace', 'nb', '-o', 'json']))
    expect(kept.spec.env).toHaveLength(100)
    expect(kept.metadata.annotations.note).toHaveLength(200_000)
    ending.abort()
  })
})
