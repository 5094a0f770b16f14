/** Beside jupyter-k8s, whose webhooks are stood in for: what our samples say there, and who stops what is made after them. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { halfAnHour, openIdleWorld, ref } from '#test/support/idle-world.ts'
import {
  admittedIdleShutdown,
  type IdleFields,
  mayBeNamed,
  templateRefusal,
  type UpstreamTemplate,
} from '#test/support/upstream-admission.ts'
import { templateKind } from '#workspace/template.ts'

interface Sample {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: UpstreamTemplate
}

const samplesIn = (file: string): readonly Sample[] =>
  parseAllDocuments(readFileSync(`config/samples/${file}.yaml`, 'utf8')).map((one) => one.toJS())
const [replaced] = samplesIn('workspace_v1alpha1_workspacetemplate_idle_beside_jupyter_k8s')
const [fed] = samplesIn('agent/idle')
const hour = 60
/** By an endpoint of its own, which jupyter-k8s would stop it by. */
const ownCheck: IdleFields = {
  ...{ enabled: true, idleTimeoutInMinutes: hour },
  detection: { httpGet: { path: '/api/status', port: 8888 } },
}

/** A workspace of that template, as it comes out of the webhooks. */
async function worldAfter({ metadata: { name, annotations }, spec }: Sample) {
  const idleShutdown = admittedIdleShutdown(undefined, spec)
  const world = await openIdleWorld({ ...halfAnHour, templateRef: { name }, idleShutdown }, { tellsOperator: true })
  const metadata = { namespace: ref.namespace, name }
  await world.store.create(templateKind, { metadata, spec: templateKind.parseSpec(spec, annotations) })
  await world.pass(0.1)
  return { world, idleShutdown }
}

test('the sample that replaces its idle check is taken by jupyter-k8s, which stops nothing by it and lets no owner ask it to: Gatehouse stops what nobody uses', async () => {
  if (!replaced) throw new Error('the sample is empty')
  expect(templateRefusal(replaced.spec)).toBeUndefined()
  expect(admittedIdleShutdown(ownCheck, replaced.spec)).toBe('not as its template')
  const { world: opened, idleShutdown } = await worldAfter(replaced)
  await using world = opened
  expect(idleShutdown).toMatchObject({ enabled: false })
  await using _ = world.lead(world.openReplica('a'))
  await world.pass(hour - 1)
  expect(await world.desired()).toBe('Running')
  await world.pass(3)
  expect(await world.desired()).toBe('Stopped')
})

test.each(['agent/idle', 'agent/access-strategy', 'ssh/access-strategy'])(
  'what %s.yaml makes may be named by workspaces of every namespace',
  (file) => {
    for (const { metadata } of samplesIn(file))
      expect(mayBeNamed(metadata.namespace ?? '', 'team'), metadata.name).toBe(true)
  },
)

test('the sample that feeds its idle check is taken by jupyter-k8s, which copies whom to ask: Gatehouse decides, and stops nothing', async () => {
  if (!fed) throw new Error('the sample is empty')
  expect(templateRefusal(fed.spec)).toBeUndefined()
  const { world: opened, idleShutdown } = await worldAfter(fed)
  await using world = opened
  expect(idleShutdown).toEqual(fed.spec.defaultIdleShutdown)
  await using leader = world.lead(world.openReplica('a'))
  await world.pass(3 * hour)
  expect(leader.why()).toMatchObject({ kind: 'idle' })
  expect(await world.desired()).toBe('Running')
})
