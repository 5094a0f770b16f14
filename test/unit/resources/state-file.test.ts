/** What happens to the one file: its mode, a restart, a kill, damage, somebody else's file. */
import { spawn } from 'node:child_process'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { nameOf, newWorkspace } from '#test/behaviour/resources/samples.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { type StoreWorld, storeWorld } from './store-world.ts'

test('the file, its journal and its folder are for this user alone', async () => {
  await using world = await storeWorld()
  const file = join(world.folder, 'new', 'state.db')
  const { resources } = world.open({ file })
  await resources.create(workspaceKind, newWorkspace())
  const modes = await Promise.all([join(world.folder, 'new'), file, `${file}-wal`].map(modeOf))
  expect(modes).toEqual([0o700, 0o600, 0o600])
})

test('a file that others may read is closed to them', async () => {
  await using world = await storeWorld()
  await writeFile(world.file, '')
  await chmod(world.file, 0o644)
  world.open()
  expect(await modeOf(world.file)).toBe(0o600)
})

test('objects outlive a restart, and no version is given twice', async () => {
  await using world = await storeWorld()
  const store = world.open()
  const kept = await store.resources.create(workspaceKind, newWorkspace({ labels: { a: 'b' } }))
  const gone = await store.resources.create(workspaceKind, newWorkspace())
  await store.resources.delete(workspaceKind, nameOf(gone))
  const before = await store.resources.list(workspaceKind)
  await store[Symbol.asyncDispose]()
  const { resources } = world.open()
  expect(await resources.list(workspaceKind)).toEqual(before)
  const next = await resources.create(workspaceKind, newWorkspace())
  expect(Number(next.metadata.resourceVersion)).toBeGreaterThan(Number(before.resourceVersion))
  expect(await resources.get(workspaceKind, nameOf(kept))).toEqual(kept)
})

test('what was committed before a kill -9 is there', async () => {
  await using world = await storeWorld()
  const writer = spawn(process.execPath, [fileURLToPath(new URL('kill-writer.ts', import.meta.url)), world.file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => writer.once('exit', (_code, signal) => resolve(signal)))
  const said: unknown[] = []
  for await (const line of createInterface(writer.stdout)) {
    said.push(JSON.parse(line))
    if (said.length === 40) writer.kill('SIGKILL')
  }
  expect(await ended).toBe('SIGKILL')
  const { items } = await world.open().resources.list(workspaceKind)
  const found = items.map(({ metadata }) => [metadata.name, metadata.uid, Number(metadata.resourceVersion)])
  expect(found).toEqual(expect.arrayContaining(said))
  expect(world.lines).toEqual([])
})

test('a file that another Gatehouse has open is left to it', async () => {
  await using world = await storeWorld()
  const writer = new DatabaseSync(world.file)
  writer.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
  try {
    expect(() => world.open({ lockTimeout: 20 })).toThrow(expect.objectContaining({ code: 'store_unavailable' }))
  } finally {
    writer.close()
  }
  expect(await readdir(world.folder)).toEqual(['state.db'])
})

test('two stores never have the same file at once', async () => {
  await using world = await storeWorld()
  const first = world.open()
  expect(() => world.open({ lockTimeout: 20 })).toThrow(expect.objectContaining({ code: 'store_unavailable' }))
  await first.resources.create(workspaceKind, newWorkspace())
  await first[Symbol.asyncDispose]()
  expect((await world.open().resources.list(workspaceKind)).items).toHaveLength(1)
})

test('a folder that cannot be written to is store_unavailable', async () => {
  await using world = await storeWorld()
  await writeFile(join(world.folder, 'file'), '')
  expect(() => world.open({ file: join(world.folder, 'file', 'state.db') })).toThrow(
    expect.objectContaining({ code: 'store_unavailable' }),
  )
})

describe('a damaged file', () => {
  test('that is no database is kept under another name, said, and replaced', async () => {
    const clock = fakeClock(Date.parse('2026-03-04T05:06:07Z'))
    await using world = await storeWorld(clock)
    const content = 'precious, but no database '.repeat(100)
    await writeFile(world.file, content)
    const { resources } = world.open()
    expect((await resources.list(workspaceKind)).items).toEqual([])
    const kept = `${world.file}.broken-20260304T050607Z`
    expect(await readFile(kept, 'utf8')).toBe(content)
    expect(world.lines).toMatchObject([{ level: 'error', fields: { file: world.file, name: basename(kept) } }])
    expect(await modeOf(world.file)).toBe(0o600)
  })

  test('that is malformed inside is kept as well', async () => {
    await using world = await storeWorld()
    await fill(world, 60)
    const content = await readFile(world.file)
    // The last page but one: data that nothing needs in order to open the file.
    content.fill(0x5a, content.length - 4_096 * 2, content.length - 4_096)
    await writeFile(world.file, content)
    const { resources } = world.open()
    expect((await resources.list(workspaceKind)).items).toEqual([])
    const [kept] = (await readdir(world.folder)).filter((name) => name.includes('.broken-'))
    expect(await readFile(join(world.folder, kept ?? ''))).toEqual(content)
  })

  test('never replaces one that was kept before', async () => {
    await using world = await storeWorld(fakeClock())
    for (const content of ['first '.repeat(200), 'second '.repeat(200)]) {
      await writeFile(world.file, content)
      await world.open()[Symbol.asyncDispose]()
    }
    const kept = (await readdir(world.folder)).filter((name) => name.includes('.broken-'))
    const contents = await Promise.all(kept.map((name) => readFile(join(world.folder, name), 'utf8')))
    expect(contents.map((content) => content.slice(0, 5)).sort()).toEqual(['first', 'secon'])
  })
})

describe('a sound file of another make', () => {
  test('of a newer Gatehouse is refused and untouched', async () => {
    await using world = await storeWorld()
    await fill(world, 1)
    const db = new DatabaseSync(world.file)
    db.exec('UPDATE gatehouse SET schema_version = 2')
    db.close()
    const before = await readFile(world.file)
    expect(() => world.open()).toThrow(
      expect.objectContaining({ code: 'incompatible_store', message: expect.stringContaining('version 2') }),
    )
    expect(await readdir(world.folder)).toEqual(['state.db'])
    expect(await readFile(world.file)).toEqual(before)
  })

  test('of another program is refused and untouched', async () => {
    await using world = await storeWorld()
    const db = new DatabaseSync(world.file)
    db.exec('CREATE TABLE recipes (name TEXT)')
    db.close()
    expect(() => world.open()).toThrow(expect.objectContaining({ code: 'incompatible_store' }))
    expect(await readdir(world.folder)).toEqual(['state.db'])
  })
})

async function fill(world: StoreWorld, count: number): Promise<void> {
  const store = world.open()
  for (let turn = 0; turn < count; turn += 1) {
    await store.resources.create(
      workspaceKind,
      newWorkspace({ annotations: { 'example.com/padding': 'x'.repeat(500) } }),
    )
  }
  await store[Symbol.asyncDispose]()
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777
}
