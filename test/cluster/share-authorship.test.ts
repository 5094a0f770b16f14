/** The policy gatehouse-workspace-share, as somebody meets it who may write every share of a namespace and would like to be shared with. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPolicyWorld, type PolicyWorld } from '#test/support/policy-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'who shares a Workspace', () => {
  let world: PolicyWorld
  beforeAll(async () => {
    world = await openPolicyWorld()
    const { workspace } = world
    await world.do(create, ...['one', 'two', 'three'].map((name) => workspace(name, { owner: 'alice' })))
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  const policy = 'gatehouse-workspace-share'
  const create = ['create', '-f', '-']
  const apply = ['apply', '-f', '-']
  const applyByServer = ['apply', '--server-side', '--force-conflicts', '-f', '-']

  test('#104 write access to shares is no authorship: nobody grants himself one, by whatever way', async () => {
    const { as, share, writer, refusedBy } = world
    const mine = share('mine', ['one'])
    const generated = { ...mine, metadata: { generateName: 'mine-' } }
    expect(refusedBy(await as(writer, create, mine))).toBe(policy)
    expect(refusedBy(await as(writer, create, generated))).toBe(policy)
    expect(refusedBy(await as(writer, apply, mine))).toBe(policy)
    expect(refusedBy(await as(writer, applyByServer, mine))).toBe(policy)
    expect(refusedBy(await as(writer, create, share('mine', ['one'], { access: 'own' })))).toBe(policy)
    // One that does not exist yet is no way round either.
    expect(refusedBy(await as(writer, create, share('mine', ['not-yet'])))).toBe(policy)
  })

  test('the verb share in the namespace lets share any number of its workspaces, but makes no owners', async () => {
    const { as, share, sharer, refusedBy } = world
    const many = Array.from({ length: 50 }, (_, index) => `workspace-${index}`)
    expect(await as(sharer, create, share('by-sharer', many))).toMatchObject({ code: 0 })
    expect(refusedBy(await as(sharer, create, share('owners', ['one'], { access: 'own' })))).toBe(policy)
  })

  test('the verb share on named workspaces lets share these, two at a time, and none beside them', async () => {
    const { as, do: byAdministrator, share, refusedBy } = world
    const names = ['one', 'two', 'three'].map((name) => `--resource-name=${name}`)
    const role = ['create', 'role', 'some', '--verb=share', '--resource=workspaces.workspace.jupyter.org', ...names]
    await byAdministrator(role)
    await byAdministrator(['create', 'rolebinding', 'some', '--role=some', '--user=olga'])
    await byAdministrator(['create', 'rolebinding', 'olga', '--role=writer', '--user=olga'])
    expect(await as('olga', create, share('two-named', ['one', 'two']))).toMatchObject({ code: 0 })
    expect(refusedBy(await as('olga', create, share('mixed', ['one', 'four'])))).toBe(policy)
    expect(refusedBy(await as('olga', create, share('three-named', ['one', 'two', 'three'])))).toBe(policy)
  })

  test('the verb own makes owners, in the whole cluster alone', async () => {
    const { as, do: byAdministrator, share, sharer, administrator, refusedBy } = world
    expect(await as(administrator, create, share('appointed', ['one'], { access: 'own' }))).toMatchObject({ code: 0 })
    await byAdministrator(['create', 'role', 'all-verbs', '--verb=*', '--resource=workspaces.workspace.jupyter.org'])
    await byAdministrator(['create', 'rolebinding', 'all-verbs', '--role=all-verbs', `--user=${sharer}`])
    expect(refusedBy(await as(sharer, create, share('usurped', ['one'], { access: 'own' })))).toBe(policy)
  })

  test('a share that exists changes neither its grantees nor its author for anybody', async () => {
    const { as, do: byAdministrator, share, writer, administrator } = world
    await byAdministrator(create, share('fixed', ['two'], { grantees: [{ kind: 'User', name: 'bob' }] }))
    const grantees = JSON.stringify({ spec: { grantees: [{ kind: 'User', name: writer }] } })
    const patch = ['patch', 'workspaceshare', 'fixed', '--type=merge', '-p', grantees]
    // The schema is asked first and says no to everybody; the policy says no as well where a schema would not.
    expect((await as(writer, patch)).stderr).toMatch(/immutable|ValidatingAdmissionPolicy/)
    expect((await as(administrator, patch)).stderr).toContain('immutable')
    expect((await as(writer, applyByServer, share('fixed', ['two']))).code).not.toBe(0)
    expect((await as(writer, ['replace', '-f', '-'], share('fixed', ['two']))).code).not.toBe(0)
    expect((await as(writer, ['replace', '--force', '-f', '-'], share('fixed', ['two']))).code).not.toBe(0)
    const shown = await byAdministrator(['get', 'workspaceshares', '--ignore-not-found', '-o', 'json'])
    const items: readonly { metadata: { name: string }; spec: { grantees: unknown } }[] = JSON.parse(shown).items
    expect(items.find((item) => item.metadata.name === 'fixed')?.spec.grantees ?? 'deleted').not.toContainEqual({
      kind: 'User',
      name: writer,
    })
  })

  test('who deletes a share and creates it again under its name needs the verb for the new one', async () => {
    const { as, do: byAdministrator, share, writer, refusedBy } = world
    await byAdministrator(create, share('again', ['one']))
    expect(await as(writer, ['delete', 'workspaceshare', 'again'])).toMatchObject({ code: 0 })
    expect(refusedBy(await as(writer, create, share('again', ['one'])))).toBe(policy)
  })

  test('#104 the status of a share, which says that it is accepted, is written by the gateway alone', async () => {
    const { as, asGateway, do: byAdministrator, share, writer, administrator, refusedBy } = world
    await byAdministrator(create, share('judged', ['one']))
    const conditions = [{ type: 'Accepted', status: 'True', reason: 'OwnerGranted', message: '' }]
    const status = { workspaces: [{ name: 'one', uid: 'x' }], observedGeneration: 1, conditions }
    const patch = ['patch', 'workspaceshare', 'judged', '--subresource=status', '--type=merge']
    const withStatus = [...patch, '-p', JSON.stringify({ status })]
    expect(refusedBy(await as(writer, withStatus))).toBe(policy)
    expect(refusedBy(await as(administrator, withStatus))).toBe(policy)
    const whole = { ...share('judged', ['one']), status }
    expect(refusedBy(await as(writer, [...applyByServer, '--subresource=status'], whole))).toBe(policy)
    expect(refusedBy(await as(writer, ['replace', '--subresource=status', '-f', '-'], whole))).toBe(policy)
    // What somebody puts into the status of the object itself is dropped.
    expect(await as(administrator, create, { ...share('born', ['one']), status })).toMatchObject({ code: 0 })
    expect(await byAdministrator(['get', 'workspaceshare', 'born', '-o', 'jsonpath={.status}'])).toBe('')
    // `kubectl patch` reads the status first, which the gateway itself has no need to.
    await byAdministrator(['create', 'rolebinding', 'reads', '--role=writer', `--user=${world.gateway.username}`])
    expect(await asGateway(withStatus)).toMatchObject({ code: 0 })
  })

  test('#104 nobody but the gateway says who made a share', async () => {
    const { as, asGateway, do: byAdministrator, share, sharer, administrator, refusedBy } = world
    const named = (name: string) => {
      const object = share(name, ['one'])
      return { ...object, metadata: { name, annotations: { 'gatehouse.dev/shared-by': 'alice' } } }
    }
    expect(refusedBy(await as(sharer, create, named('forged')))).toBe(policy)
    expect(refusedBy(await as(administrator, create, named('forged')))).toBe(policy)
    expect(await asGateway(create, named('made'))).toMatchObject({ code: 0 })
    const change = ['annotate', '--overwrite', 'workspaceshare', 'made', 'gatehouse.dev/shared-by=bob']
    expect(refusedBy(await as(administrator, change))).toBe(policy)
    // Other people's tools may leave their marks, and what is being deleted goes.
    expect(await as(administrator, ['annotate', 'workspaceshare', 'made', 'example.com/note=x'])).toMatchObject({
      code: 0,
    })
    await byAdministrator(['delete', 'workspaceshare', 'made'])
  })
})
