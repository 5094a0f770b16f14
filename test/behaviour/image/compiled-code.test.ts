/** What an image brings along of compiled code, made as for an image: in a copy of the program, whose packages are those of this folder. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { chmod, cp, mkdtemp, readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { root } from '#test/architecture/source-files.ts'

// Every module of it is compiled several times.
vi.setConfig({ testTimeout: 120_000 })

const isRoot = process.getuid?.() === 0

async function openApp() {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-image-'))
  const app = join(folder, 'app')
  for (const name of ['package.json', 'bin', 'src', 'routes']) {
    await cp(join(root, name), join(app, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(app, 'node_modules'))
  return { app, folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** It ends when it finds that it is in no cluster, with everything loaded. */
function serve(app: string): SpawnSyncReturns<string> {
  const env = { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' }
  const options = { cwd: '/', env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 } as const
  return spawnSync(process.execPath, [join(app, 'bin', 'gatehouse.js'), 'serve'], options)
}

function usedIn({ stderr }: SpawnSyncReturns<string>): number {
  return stderr.match(/cache for ESM \S+ was accepted/g)?.length ?? 0
}

test.skipIf(!isRoot)(
  'an image brings compiled code that only root can write, and the gateway uses it wherever it lies',
  async () => {
    await using image = await openApp()
    const user = String(process.getuid?.())
    const script = join(root, 'scripts', 'compile-cache.ts')
    expect(spawnSync(process.execPath, [script, image.app, user], { encoding: 'utf8' }).stderr).toBe('')
    const folder = join(image.app, 'compile-cache')
    const entries = await readdir(folder, { withFileTypes: true, recursive: true })
    const paths = [folder, ...entries.map(({ parentPath, name }) => join(parentPath, name))]
    const found = await Promise.all(paths.map((path) => stat(path)))
    expect(found.filter(({ uid, mode }) => uid !== 0 || (mode & 0o022) !== 0)).toEqual([])

    // An image is made in one place and runs in another one.
    const app = join(image.folder, 'elsewhere')
    await rename(image.app, app)
    const started = serve(app)
    expect(started.stderr).toContain('this is no pod of a cluster')
    expect(usedIn(started)).toBeGreaterThan(600)

    await chmod(join(app, 'compile-cache'), 0o777)
    const refusing = serve(app)
    expect(refusing.stderr).toContain('warning: no compiled code is used')
    expect([refusing.status, usedIn(refusing)]).toEqual([1, 0])

    await rm(join(app, 'compile-cache'), { recursive: true })
    const without = serve(app)
    expect(without.stderr).not.toContain('warning')
    expect([without.status, usedIn(without)]).toEqual([1, 0])
  },
)
