/** A real folder with a real watch, and a clock that moves when a test says so. */
import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { newShare, ownerReference } from '#test/behaviour/resources/samples.ts'
import { shareKind } from '#workspace/share.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { manifestWorld, observedClock, workspace } from './manifest-world.ts'

describe('what the folder says comes into force', () => {
  test('at start: all files, also in subfolders, and no others', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'), workspace('two'))
    await world.write('team/deep/three.yml', workspace('three'))
    await world.write('.hidden.yaml', workspace('hidden'))
    await world.write('.hidden/four.yaml', workspace('four'))
    await world.write('five.yaml~', workspace('five'))
    await world.write('readme.md', 'no: manifest')
    await world.start()
    expect((await world.all()).map(({ metadata }) => metadata.name)).toEqual(['one', 'three', 'two'])
    expect(world.watch.problems()).toEqual([])
  })

  test('when a file is added, edited or deleted, with events for those who watch', async () => {
    await using world = await manifestWorld()
    await world.start()
    const { resourceVersion } = await world.store.resources.list(workspaceKind)
    await world.write('one.yaml', workspace('one'))
    const first = await world.until('one', (found) => found !== undefined)
    await world.write('one.yaml', workspace('one', 'image: new'))
    const second = await world.until('one', (found) => found?.spec.image === 'new')
    expect(second?.metadata).toMatchObject({ uid: first?.metadata.uid, generation: 2 })
    await unlink(join(world.folder, 'one.yaml'))
    await world.until('one', (found) => found === undefined)
    const types: string[] = []
    const { signal } = new AbortController()
    for await (const event of world.store.resources.watch(workspaceKind, { resourceVersion, signal })) {
      if (types.push(event.type) === 3) break
    }
    expect(types).toEqual(['added', 'modified', 'deleted'])
  })

  test('in a subfolder that is made later, and in one that is made again', async () => {
    await using world = await manifestWorld()
    await world.start()
    await world.write('sub/one.yaml', workspace('one'))
    await world.until('one', (found) => found !== undefined)
    await rm(join(world.folder, 'sub'), { recursive: true })
    await world.until('one', (found) => found === undefined)
    await world.write('sub/one.yaml', workspace('one', 'image: again'))
    await world.until('one', (found) => found?.spec.image === 'again')
  })

  test('by the kernel’s report, without waiting for the next reading; also in a folder that was made again', async () => {
    const clock = observedClock()
    await using world = await manifestWorld(clock)
    await world.write('sub/one.yaml', workspace('one'))
    await world.start()
    const change = async (make: () => Promise<void>) => {
      await vi.waitFor(() => expect(clock.isWaitingFor(rescan)).toBe(true))
      await make()
      await vi.waitFor(() => expect(clock.isWaitingFor(settling)).toBe(true), { timeout: 5_000 })
      await clock.advance(settling)
    }
    await change(() => world.write('sub/two.yaml', workspace('two')))
    await vi.waitFor(async () => expect(await world.find('two')).toBeDefined())
    await change(async () => {
      await rm(join(world.folder, 'sub'), { recursive: true })
      await world.write('sub/three.yaml', workspace('three'))
    })
    await world.until('two', (found) => found === undefined)
    await vi.waitFor(async () => expect(await world.find('three')).toBeDefined())
    await change(() => world.write('sub/four.yaml', workspace('four')))
    await vi.waitFor(async () => expect(await world.find('four')).toBeDefined())
  })

  test('when the folder itself appears later', async () => {
    await using world = await manifestWorld()
    await rm(world.folder, { recursive: true })
    await world.start()
    expect(world.watch.problems()).toMatchObject([{ file: '.', line: 0 }])
    await world.write('one.yaml', workspace('one'))
    await world.until('one', (found) => found !== undefined)
    expect(world.watch.problems()).toEqual([])
  })
})

describe('who an object is', () => {
  test('it stays the same through edits, a move to another file and restarts', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const first = await world.find('one')
    await rename(join(world.folder, 'one.yaml'), join(world.folder, 'other.yaml'))
    await world.write('other.yaml', workspace('one', 'image: moved'))
    await world.until('one', (found) => found?.spec.image === 'moved')
    await world.stop()
    await world.start()
    expect((await world.find('one'))?.metadata.uid).toBe(first?.metadata.uid)
  })

  test('a restart with unchanged files changes nothing at all', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const first = await world.find('one')
    await world.stop()
    await world.start()
    expect(await world.find('one')).toEqual(first)
  })

  test('it is another one after it was gone, and what it owned is gone with it', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const first = await world.get('one')
    const share = newShare([ownerReference(first)])
    const created = await world.store.resources.create(shareKind, {
      ...share,
      metadata: { ...share.metadata, namespace: 'default' },
    })
    await world.write('one.yaml', '')
    await world.until('one', (found) => found === undefined)
    expect(await world.store.resources.get(shareKind, created.metadata)).toBeUndefined()
    await world.write('one.yaml', workspace('one'))
    const second = await world.until('one', (found) => found !== undefined)
    expect(second?.metadata.uid).not.toBe(first.metadata.uid)
  })

  test('what was deleted while nobody watched is gone after the start', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.write('two.yaml', workspace('two'))
    await world.start()
    await world.stop()
    await unlink(join(world.folder, 'one.yaml'))
    await world.start()
    expect((await world.all()).map(({ metadata }) => metadata.name)).toEqual(['two'])
  })

  test('a file that is only away while it is saved keeps its objects', async () => {
    const clock = observedClock()
    await using world = await manifestWorld(clock)
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const first = await world.find('one')
    await unlink(join(world.folder, 'one.yaml'))
    await world.pump(() => clock.isWaitingFor(deleting))
    await world.write('one.yaml', workspace('one', 'image: saved'))
    const second = await world.until('one', (found) => found?.spec.image === 'saved')
    expect(second?.metadata.uid).toBe(first?.metadata.uid)
  })

  test('it is known as a manifest’s, and no namesake or other object is', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const one = await world.get('one')
    const mine = await world.store.resources.create(workspaceKind, {
      metadata: { namespace: 'default', name: 'mine' },
      spec: one.spec,
    })
    expect(world.watch.isFromManifest(workspaceKind, one.metadata)).toBe(true)
    expect(world.watch.isFromManifest(shareKind, one.metadata)).toBe(false)
    expect(world.watch.isFromManifest(workspaceKind, mine.metadata)).toBe(false)
  })
})

describe('a broken file', () => {
  test('is said with file, line and reason, and its last good version stays in force until it is mended', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one', 'image: good'), workspace('two'))
    await world.write('three.yaml', workspace('three'))
    await world.start()
    const before = await world.all()
    await world.write('one.yaml', workspace('one', 'image: newer'), workspace('two', 'desiredStatus: Asleep'))
    await world.write('three.yaml', workspace('three', 'image: newer'))
    await world.untilProblems((problems) => problems.length > 0)
    expect(world.watch.problems()[0]).toMatchObject({ file: 'one.yaml', line: 13 })
    expect(world.said.at(-1)).toEqual(world.watch.problems())
    expect(world.lines).toContainEqual(expect.objectContaining({ level: 'warn', fields: world.watch.problems()[0] }))
    await world.until('three', (found) => found?.spec.image === 'newer')
    expect([await world.find('one'), await world.find('two')]).toEqual(
      before.filter(({ metadata }) => metadata.name !== 'three'),
    )
    await world.write('one.yaml', workspace('one', 'image: newer'))
    await world.untilProblems((problems) => problems.length === 0)
    expect(world.said.at(-1)).toEqual([])
    expect((await world.find('one'))?.spec.image).toBe('newer')
    expect(await world.find('two')).toBeUndefined()
  })

  test('stays as it last was across a restart, and is said again', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one', 'image: good'))
    await world.start()
    const before = await world.find('one')
    await world.stop()
    await world.write('one.yaml', 'kind: [')
    await world.start()
    expect(world.watch.problems()).toMatchObject([{ file: 'one.yaml', line: 1 }])
    expect(await world.find('one')).toEqual(before)
  })

  test.each([
    ['is too large', `# ${'x'.repeat(1024 * 1024)}`],
    ['is no UTF-8', Buffer.from([0x61, 0x3a, 0xff, 0xfe])],
    ['declares what another file has', workspace('two')],
    ['declares what was made in the console', workspace('mine')],
  ])('that %s leaves what it said in force', async (_, content) => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.write('two.yaml', workspace('two'))
    await world.start()
    const { spec } = await world.get('one')
    await world.store.resources.create(workspaceKind, { metadata: { namespace: 'default', name: 'mine' }, spec })
    const before = await world.all()
    await world.write('one.yaml', content)
    await world.untilProblems(([problem]) => problem?.file === 'one.yaml')
    expect(await world.all()).toEqual(before)
  })

  test('a folder that cannot be read leaves everything in force', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    await rename(world.folder, `${world.folder}-away`)
    await world.untilProblems(([problem]) => problem?.file === '.')
    expect(await world.find('one')).toBeDefined()
    await rename(`${world.folder}-away`, world.folder)
    await world.untilProblems((problems) => problems.length === 0)
    expect(await world.find('one')).toBeDefined()
  })

  test('a store that fails is a problem, and tried again', async () => {
    await using world = await manifestWorld()
    await world.start()
    const apply = vi.spyOn(world.store.declared, 'apply').mockImplementationOnce(() => {
      throw new Error('the disk is full')
    })
    await world.write('one.yaml', workspace('one'))
    await world.untilProblems(([problem]) => problem?.reason === 'the disk is full')
    await world.until('one', (found) => found !== undefined)
    apply.mockRestore()
    await world.untilProblems((problems) => problems.length === 0)
  })
})

describe('links', () => {
  test('that lead out of the folder are ignored, those within it are followed', async () => {
    await using world = await manifestWorld()
    const outside = join(dirname(world.folder), 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'secret.yaml'), workspace('secret'))
    await world.write('..data/inside.yaml', workspace('inside'))
    await symlink(join(outside, 'secret.yaml'), join(world.folder, 'secret.yaml'))
    await symlink(outside, join(world.folder, 'linked'))
    await symlink('nowhere.yaml', join(world.folder, 'dangling.yaml'))
    await symlink(join('..data', 'inside.yaml'), join(world.folder, 'inside.yaml'))
    await world.start()
    expect((await world.all()).map(({ metadata }) => metadata.name)).toEqual(['inside'])
    expect(world.watch.problems()).toEqual([])
  })
})

describe('what people may change of an object that a file declares', () => {
  test('is desiredStatus, which outlives restarts and edits of other fields, until the file sets that field', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one', 'desiredStatus: Stopped'))
    await world.start()
    await world.patch('one', { desiredStatus: 'Running' })
    await world.stop()
    await world.start()
    expect((await world.find('one'))?.spec.desiredStatus).toBe('Running')
    await world.write('one.yaml', workspace('one', 'desiredStatus: Stopped', 'image: new'))
    const edited = await world.until('one', (found) => found?.spec.image === 'new')
    expect(edited?.spec.desiredStatus).toBe('Running')
    await world.write('one.yaml', workspace('one', 'image: newer'))
    const reset = await world.until('one', (found) => found?.spec.image === 'newer')
    expect(reset?.spec.desiredStatus).toBe('Running')
    await world.patch('one', { desiredStatus: 'Stopped' })
    await world.write('one.yaml', workspace('one', 'image: newest', 'desiredStatus: Running'))
    const final = await world.until('one', (found) => found?.spec.image === 'newest')
    expect(final?.spec.desiredStatus).toBe('Running')
  })

  test('is nothing else: not by patch, by replacement or by deletion', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const one = await world.get('one')
    const { resources } = world.store
    const refused = { code: 'managed_by_file', message: expect.stringContaining('one.yaml') }
    await expect(world.patch('one', { image: 'x' })).rejects.toMatchObject(refused)
    await expect(world.patch('one', { image: 'x', desiredStatus: 'Stopped' })).rejects.toMatchObject(refused)
    const spec = { ...one.spec, image: 'x' }
    await expect(resources.replace(workspaceKind, { ...one, spec })).rejects.toMatchObject(refused)
    const metadata = { ...one.metadata, annotations: { 'workspace.jupyter.org/created-by': 'mallory' } }
    await expect(resources.replace(workspaceKind, { ...one, metadata })).rejects.toMatchObject(refused)
    await expect(resources.delete(workspaceKind, one.metadata)).rejects.toMatchObject(refused)
    expect(await world.find('one')).toEqual(one)
  })

  test('includes the status, and a replacement that changes desiredStatus alone', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one'))
    await world.start()
    const { resources } = world.store
    const one = await resources.patchStatus(workspaceKind, nameOfOne, { phase: 'Running' })
    const spec = { ...one.spec, desiredStatus: 'Stopped' } as const
    const replaced = await resources.replace(workspaceKind, { ...one, spec })
    expect(replaced).toMatchObject({ spec: { desiredStatus: 'Stopped' }, status: { phase: 'Running' } })
    await world.write('one.yaml', workspace('one', 'image: new'))
    const edited = await world.until('one', (found) => found?.spec.image === 'new')
    expect(edited).toMatchObject({ spec: { desiredStatus: 'Stopped' }, status: { phase: 'Running' } })
  })

  test('a choice that equals the file again is none any more', async () => {
    await using world = await manifestWorld()
    await world.write('one.yaml', workspace('one', 'desiredStatus: Stopped'))
    await world.start()
    const before = await world.get('one')
    await world.patch('one', { desiredStatus: 'Running' })
    const after = await world.patch('one', { desiredStatus: 'Stopped' })
    expect(after.spec).toEqual(before.spec)
    await world.stop()
    await world.start()
    expect((await world.find('one'))?.spec.desiredStatus).toBe('Stopped')
  })
})

test('after its signal nothing is watched, read or written any more', async () => {
  await using world = await manifestWorld()
  await world.start()
  world.stopWatching()
  await world.write('one.yaml', workspace('one'))
  for (let turn = 0; turn < 20; turn += 1) await world.step()
  expect(await world.find('one')).toBeUndefined()
})

/** The waits of the watch, in milliseconds. */
const settling = 100
const deleting = 300
const rescan = 5_000
const nameOfOne = { namespace: 'default', name: 'one' }
