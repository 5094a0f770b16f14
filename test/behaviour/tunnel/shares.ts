/** Shares of the scene's workspace with bob, by the administrator's hand. */
import type { TunnelScene } from '#test/support/tunnel-scene.ts'
import { shareKind } from '#workspace/share.ts'

type Place = Pick<TunnelScene, 'world' | 'ref'>

/** Resolves when it counts. */
export async function shareFor({ world, ref }: Place, name: string, spec: Record<string, unknown> = {}) {
  const grantees = [{ kind: 'User', name: 'bob' }]
  await world.resources.create(shareKind, {
    metadata: { namespace: ref.namespace, name },
    spec: shareKind.parseSpec({ workspaces: [{ name: ref.name }], grantees, ...spec }),
  })
  const counts = () => world.open.workspaces.directory.get(ref)?.shares.some(({ metadata }) => metadata.name === name)
  await world.until(() => counts() === true, 'the share counts')
}

export function unshare({ world, ref }: Place, name: string): Promise<boolean> {
  return world.resources.delete(shareKind, { namespace: ref.namespace, name })
}
