import { expect, test } from 'vitest'
import { forgetEndedRoutes } from '#compose/ended-routes.ts'
import { type EndReason, StreamGroup, StreamIndex } from '#live/streams.ts'
import type { Endpoint, Instance, InstanceUid } from '#runtime/contract.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { instance, port, workspace } from '#test/support/objects.ts'
import { Directory } from '#workspace/directory.ts'

const nb = workspace({ spec: { ports: [port(), port({ name: 'app', port: 8501 })] } })
const ref = { namespace: nb.metadata.namespace, name: nb.metadata.name }

function at(host: string, fields: Partial<Instance> = {}): Instance {
  const { instanceUid } = instance(nb, fields)
  const get = (of: number): Endpoint => ({ kind: 'pod', instanceUid, host, port: of })
  return instance(nb, { endpoints: { get }, ...fields })
}

/** One workspace that runs, with one socket and one answer open at its main port. */
function world() {
  const directory = new Directory({ clock: fakeClock(), serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  const streams = new StreamIndex()
  const forgotten: string[] = []
  const ended: string[] = []
  forgetEndedRoutes({ directory, streams, client: { forget: (key) => void forgotten.push(key) } })
  directory.applyWorkspaces({ type: 'synced', objects: [nb] })
  directory.applyInstances({ type: 'synced', instances: [at('10.0.0.7')] })
  const group = new StreamGroup({ session: 's', workspace: nb.metadata.uid, part: '8888' }, streams)
  const end = (name: string) => (reason: EndReason) => void ended.push(`${name} ${reason.code}`)
  group.add({ isLasting: true, end: end('socket') })
  group.add({ end: end('answer') })
  return { directory, forgotten, ended }
}

const { instanceUid } = instance(nb)
const both = [`${instanceUid}:8888`, `${instanceUid}:8501`]

test('an instance that is gone takes its connections and streams with it', () => {
  const { directory, forgotten, ended } = world()
  directory.applyInstances({ type: 'gone', ref, instanceUid })
  expect(forgotten).toEqual(both)
  expect(ended).toEqual(['socket 1012', 'answer 1012'])
})

test('so does one that another has taken the place of', () => {
  const { directory, forgotten } = world()
  directory.applyInstances({ type: 'applied', instance: at('10.0.0.7', { instanceUid: 'next' as InstanceUid }) })
  expect(forgotten).toEqual(both)
})

test('one that is told to end may finish its answers, but keeps no socket', () => {
  const { directory, forgotten, ended } = world()
  const stopping = instance(nb, { phase: 'stopping', endpoints: new Map() })
  directory.applyInstances({ type: 'applied', instance: stopping })
  expect(forgotten).toEqual(both)
  expect(ended).toEqual(['socket 1012'])
})

test('the same pod at another address is reached by nothing that was open before', () => {
  const { directory, forgotten, ended } = world()
  directory.applyInstances({ type: 'applied', instance: at('10.0.0.8') })
  expect(forgotten).toEqual(both)
  expect(ended).toEqual(['socket 1012'])
})

test('a port that is not declared any more is left; the others go on', () => {
  const { directory, forgotten, ended } = world()
  const without = { ...nb, spec: { ...nb.spec, ports: [port()] } }
  directory.applyWorkspaces({ type: 'applied', object: without })
  expect(forgotten).toEqual([`${instanceUid}:8501`])
  expect(ended).toEqual([])
})

test('a change of anything else leaves them alone', () => {
  const { directory, forgotten, ended } = world()
  directory.applyInstances({ type: 'applied', instance: at('10.0.0.7', { message: 'news' }) })
  directory.readinessChanged(ref)
  expect(forgotten).toEqual([])
  expect(ended).toEqual([])
})
