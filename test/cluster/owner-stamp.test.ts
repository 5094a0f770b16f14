/** The policy gatehouse-workspace-owner, as somebody meets it who may write every Workspace of a namespace and would like to own another one. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createdBy, openPolicyWorld, type PolicyWorld } from '#test/support/policy-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'who owns a Workspace', () => {
  let world: PolicyWorld
  beforeAll(async () => {
    world = await openPolicyWorld()
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  const policy = 'gatehouse-workspace-owner'
  const create = ['create', '-f', '-']
  const stampOf = async (name: string) =>
    (await world.do(['get', 'workspace', name, '-o', `jsonpath={.metadata.annotations}`])) || '{}'

  test('everybody may create a Workspace for himself or for nobody', async () => {
    const { as, workspace, writer } = world
    expect(await as(writer, create, workspace('own', { owner: writer }))).toMatchObject({ code: 0 })
    expect(await as(writer, create, workspace('nobodys'))).toMatchObject({ code: 0 })
  })

  test('#103 nobody creates a Workspace in the name of somebody else, by whatever way', async () => {
    const { as, workspace, writer, refusedBy } = world
    const foreign = workspace('foreign', { owner: 'alice' })
    expect(refusedBy(await as(writer, create, foreign))).toBe(policy)
    expect(refusedBy(await as(writer, ['apply', '-f', '-'], foreign))).toBe(policy)
    expect(refusedBy(await as(writer, ['apply', '--server-side', '-f', '-'], foreign))).toBe(policy)
    const generated = { ...foreign, metadata: { generateName: 'foreign-', annotations: { [createdBy]: 'alice' } } }
    expect(refusedBy(await as(writer, create, generated))).toBe(policy)
    const close = [` ${writer}`, `${writer} `, writer.toUpperCase(), `${writer}\u0000`, `"${writer}"`]
    for (const owner of close) {
      expect(refusedBy(await as(writer, create, workspace('foreign', { owner }))), JSON.stringify(owner)).toBe(policy)
    }
  })

  test('#103 nobody changes, takes away or adds the owner of a Workspace that exists', async () => {
    const { as, do: byAdministrator, workspace, writer, administrator, refusedBy } = world
    await byAdministrator(create, workspace('alices', { owner: 'alice' }), workspace('unowned'))
    const ways = [
      ['annotate', '--overwrite', 'workspace', 'alices', `${createdBy}=${writer}`],
      ['annotate', 'workspace', 'alices', `${createdBy}-`],
      ['annotate', 'workspace', 'unowned', `${createdBy}=${writer}`],
      ['patch', 'workspace', 'alices', '--type=json', `-p=[{"op":"remove","path":"/metadata/annotations"}]`],
    ]
    for (const way of ways) {
      expect(refusedBy(await as(writer, way)), way.join(' ')).toBe(policy)
      expect(refusedBy(await as(administrator, way)), way.join(' ')).toBe(policy)
    }
    const taken = workspace('alices', { owner: writer })
    expect(refusedBy(await as(writer, ['replace', '-f', '-'], taken))).toBe(policy)
    const forced = ['apply', '--server-side', '--force-conflicts', '-f', '-']
    expect(refusedBy(await as(writer, forced, taken))).toBe(policy)
    expect(JSON.parse(await stampOf('alices'))).toMatchObject({ [createdBy]: 'alice' })
  })

  test('#103 a write to the status changes no owner', async () => {
    const { as, do: byAdministrator, workspace, writer } = world
    await byAdministrator(create, workspace('with-status', { owner: 'alice' }))
    const patch = JSON.stringify({ metadata: { annotations: { [createdBy]: writer } }, status: { serviceName: 'x' } })
    const patched = ['patch', 'workspace', 'with-status', '--subresource=status', '--type=merge', '-p', patch]
    expect(await as(writer, patched)).toMatchObject({ code: 0 })
    expect(JSON.parse(await stampOf('with-status'))).toMatchObject({ [createdBy]: 'alice' })
  })

  test('who deletes a Workspace and creates it again owns another one: it has another UID', async () => {
    const { as, do: byAdministrator, workspace, writer, refusedBy } = world
    await byAdministrator(create, workspace('reborn', { owner: 'alice' }))
    const uid = await byAdministrator(['get', 'workspace', 'reborn', '-o', 'jsonpath={.metadata.uid}'])
    expect(await as(writer, ['delete', 'workspace', 'reborn'])).toMatchObject({ code: 0 })
    expect(refusedBy(await as(writer, create, workspace('reborn', { owner: 'alice' })))).toBe(policy)
    expect(await as(writer, create, workspace('reborn', { owner: writer }))).toMatchObject({ code: 0 })
    expect(await byAdministrator(['get', 'workspace', 'reborn', '-o', 'jsonpath={.metadata.uid}'])).not.toBe(uid)
  })

  test('who may appoint owners in the whole cluster creates a Workspace for somebody; the verb in one namespace does not do', async () => {
    const { as, do: byAdministrator, workspace, writer, administrator, refusedBy, namespace } = world
    expect(await as(administrator, create, workspace('given', { owner: 'alice' }))).toMatchObject({ code: 0 })
    await byAdministrator(['create', 'role', 'local-own', '--verb=own', '--resource=workspaces.workspace.jupyter.org'])
    await byAdministrator(['create', 'rolebinding', 'local-own', '--role=local-own', `--user=${writer}`])
    const canOwn = ['auth', 'can-i', 'own', 'workspaces.workspace.jupyter.org', '-n', namespace]
    expect(await as(writer, canOwn)).toMatchObject({ code: 0 })
    expect(refusedBy(await as(writer, create, workspace('taken', { owner: 'alice' })))).toBe(policy)
  })

  test('#103 a name that JSON has to escape is stamped as jupyter-k8s spells it, and no other name is taken for it', async () => {
    const { as, do: byAdministrator, workspace, refusedBy } = world
    const name = 'a<b>&"c\\d'
    await byAdministrator(['create', 'rolebinding', 'escaped', '--role=writer', `--user=${name}`])
    const stamp = 'a\\u003cb\\u003e\\u0026\\"c\\\\d'
    expect(await as(name, create, workspace('escaped', { owner: stamp }))).toMatchObject({ code: 0 })
    expect(refusedBy(await as(name, create, workspace('raw', { owner: name })))).toBe(policy)
    await byAdministrator(['create', 'rolebinding', 'spelt', '--role=writer', `--user=${stamp}`])
    expect(refusedBy(await as(stamp, create, workspace('spelt', { owner: stamp })))).toBe(policy)
  })
})
