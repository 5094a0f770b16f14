/**
 * Real pods that start, a few at a time, and how long after a pod is Ready the first request gets through to it. Ready is what a watcher of its own
 * hears from the API server; the pod has no probe of the cluster's, so that it is Ready as soon as its container runs and the time in which its
 * app begins to listen counts as well. Somebody asks for the page without pause.
 */
import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '#lib/clock.ts'
import { follow } from '#resources/follow.ts'
import { listWatch } from '#resources/kubernetes/list-watch.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import type { WireObject } from '#resources/kubernetes/wire-object.ts'
import { readPod } from '#runtime/pods/pod.ts'
import { echoContainer, testImage } from '#test/support/echo-container.ts'
import { startTestController } from '#test/support/test-controller.ts'
import { getPage, type Replica } from './replica.ts'
import { type BenchSite, people } from './site.ts'
import { type Latencies, latenciesOf } from './table.ts'
import type { Visitor } from './visitor.ts'
import { deletion, kinds } from './workspace-chain.ts'

export interface StartsParts {
  readonly site: BenchSite
  readonly gateway: Replica
  readonly visitor: Visitor
  readonly starts: number
  readonly onStart: (milliseconds: number) => void
}

/** At the same time, as far as one small node can. */
const atOnce = 2
const askEvery = 10
const patience = 120_000

/** Counted as 0 where the gateway was there first. */
export async function measureStarts({ site, ...rest }: StartsParts): Promise<Latencies> {
  const [namespace = ''] = site.namespaces
  await using _controller = startTestController({ client: site.client, namespace })
  await using watcher = watchReady(site, namespace)
  const taken: number[] = []
  let next = 0
  const work = async () => {
    for (let index = next++; index < rest.starts; index = next++) {
      const name = `start-${index}`
      taken.push(await measureStart({ site, ...rest }, { namespace, name }, watcher))
      rest.onStart(taken.at(-1) ?? 0)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return latenciesOf(taken)
}

interface Ref {
  readonly namespace: string
  readonly name: string
}

async function measureStart({ site, gateway, visitor }: StartsParts, ref: Ref, watcher: ReadyWatcher): Promise<number> {
  const { client, manager } = site
  await client.post(resourcePath(kinds.Workspace, { namespace: ref.namespace }), workspaceOf(ref, manager))
  const answered = firstAnswer(gateway, visitor.headersFor(ref))
  const [ready, answer] = await Promise.all([watcher.ready(ref.name), answered])
  await client.delete(resourcePath(kinds.Workspace, ref), deletion)
  return Math.max(answer - ready, 0)
}

function workspaceOf({ namespace, name }: Ref, manager: string): object {
  return {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'Workspace',
    metadata: { namespace, name, annotations: { 'workspace.jupyter.org/created-by': people.owner } },
    spec: { displayName: name, image: testImage, containerConfig: echoContainer(), managerRef: { name: manager } },
  }
}

async function firstAnswer(gateway: Replica, headers: Readonly<Record<string, string>>): Promise<number> {
  const agent = new Agent({ keepAlive: true })
  const end = performance.now() + patience
  for (;;) {
    const { status } = await getPage(gateway, headers, agent)
    const at = performance.now()
    if (status === 200) {
      agent.destroy()
      return at
    }
    if (at > end) throw new Error(`after ${patience} ms it is still ${status}`)
    await wait(askEvery)
  }
}

interface ReadyWatcher extends AsyncDisposable {
  /** When a pod of this workspace was heard to be Ready, by `performance.now()`. */
  ready(workspace: string): Promise<number>
}

const nameLabel = 'workspace.jupyter.org/workspace-name'

function watchReady({ client }: BenchSite, namespace: string): ReadyWatcher {
  const ending = new AbortController()
  const known = new Map<string, PromiseWithResolvers<number>>()
  const of = (workspace: string) => {
    const found = known.get(workspace) ?? Promise.withResolvers<number>()
    known.set(workspace, found)
    return found
  }
  const parse = (object: WireObject) => ({ ...readPod(object), workspace: object.metadata.labels[nameLabel] ?? '' })
  const source = listWatch({
    ...{ client, type: kinds.Pod, namespace, labelSelector: nameLabel, parse, onUnreadable: () => undefined },
  })
  const following = (async () => {
    for await (const fact of follow(source, { clock: systemClock, signal: ending.signal })) {
      if (fact.type !== 'applied') continue
      const isReady = fact.object.conditions.some(({ type, isTrue }) => type === 'Ready' && isTrue)
      if (isReady) of(fact.object.workspace).resolve(performance.now())
    }
  })()
  return {
    ready: (workspace) => of(workspace).promise,
    async [Symbol.asyncDispose]() {
      ending.abort()
      await following
    },
  }
}
