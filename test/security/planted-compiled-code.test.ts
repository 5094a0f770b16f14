/** Compiled code is code: whoever can write where it is kept runs as whoever reads it. So it is kept, and read, only where nobody else can write. */
import { chmod, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises'
import { getCompileCacheDir } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keepCompiled, readCompiled } from '#lib/compile-cache.ts'

interface Place extends AsyncDisposable {
  readonly home: string
  /** Where compiled code would be. */
  readonly folder: string
  /** Of this user alone. */
  readonly elsewhere: string
}

async function openPlace(): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'gatehouse-planted-'))
  const home = join(root, 'home')
  const [folder, elsewhere] = [join(home, 'compiled'), join(root, 'elsewhere')]
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await mkdir(elsewhere, { mode: 0o700 })
  return { home, folder, elsewhere, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
}

const userId = process.getuid?.() ?? Number.NaN

/** Each begins with a folder that is as it should be. */
const attacks: Readonly<Record<string, (place: Place) => Promise<unknown>>> = {
  'the folder is writable by a group': ({ folder }) => chmod(folder, 0o770),
  'the folder is writable by everybody': ({ folder }) => chmod(folder, 0o707),
  'the folder may be entered by others': ({ folder }) => chmod(folder, 0o755),
  'the folder is a link': async ({ folder, elsewhere }) => {
    await rename(folder, `${folder}-before`)
    await symlink(elsewhere, folder)
  },
  'the folder above is writable by a group': ({ home }) => chmod(home, 0o770),
  'the folder above is writable by everybody, each for his own files': ({ home }) => chmod(home, 0o1777),
  'a folder further above is writable by everybody': ({ home }) => chmod(join(home, '..'), 0o777),
}

describe.each(Object.entries(attacks))('#120 %s', (_title, attack) => {
  test('nothing is kept or read there, and it is said why', async () => {
    await using place = await openPlace()
    await attack(place)
    const kept = keepCompiled(place.folder, userId)
    expect(kept.refusal).toContain(tmpdir())
    expect(getCompileCacheDir()).toBeUndefined()
  })
})

test('#120 a folder of another user is not used', async () => {
  await using place = await openPlace()
  expect(keepCompiled(place.folder, userId + 1).refusal).toContain("somebody else's")
  expect(getCompileCacheDir()).toBeUndefined()
})

test.skipIf(userId !== 0)('#120 what came with the program counts only while root alone can write it', async () => {
  await using place = await openPlace()
  const { folder, home } = place
  for (const mode of [0o775, 0o757, 0o777]) {
    await chmod(folder, mode)
    expect(readCompiled(folder).refusal).toContain('open to others')
  }
  await chmod(folder, 0o755)
  await chmod(home, 0o757)
  expect(readCompiled(folder).refusal).toContain('others may write')
  expect(getCompileCacheDir()).toBeUndefined()
})

test('that nothing came with the program is nothing to tell', async () => {
  await using place = await openPlace()
  expect(readCompiled(join(place.home, 'none')).refusal).toBeUndefined()
  expect(getCompileCacheDir()).toBeUndefined()
})
