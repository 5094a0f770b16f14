/** Compiled code that is kept from start to start of the laptop mode, in real processes. Node tells what became of each module where it is asked to. */
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { type DemoOptions, spawnDemo, startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite, type LaptopSite } from '#test/support/laptop-site.ts'

// Several starts a test, each of which tells of every module.
vi.setConfig({ testTimeout: 120_000 })

const telling: DemoOptions = { keepsCompiled: true, env: { NODE_DEBUG_NATIVE: 'COMPILE_CACHE' } }
const folderOf = ({ home }: LaptopSite) => join(home, 'compile-cache')

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

/** Starts it and lets it end. What it printed. */
async function startOnce(site: LaptopSite, options: DemoOptions): Promise<string> {
  await using demo = await startDemo(site, options)
  demo.kill('SIGTERM')
  expect(await demo.ended).toBe(0)
  return demo.printed()
}

/** Modules of the other kind may be read twice in one start. */
function usedIn(printed: string): readonly string[] {
  return [...printed.matchAll(/cache for ESM (\S+) was accepted/g)].map(([, file = '']) => file)
}

test('the second start uses what the first one compiled, from a folder of its user alone; files that are broken are compiled anew', async () => {
  await using site = await createLaptopSite({ samples: [] })
  expect(usedIn(await startOnce(site, telling))).toEqual([])
  expect((await stat(folderOf(site))).mode & 0o777).toBe(0o700)

  const used = usedIn(await startOnce(site, telling))
  for (const file of ['src/settings/load.ts', 'src/compose/laptop.ts', 'typebox/build/index.mjs']) {
    expect(used.some((name) => name.endsWith(file))).toBe(true)
  }

  for (const [index, file] of (await filesBelow(folderOf(site))).entries()) {
    await writeFile(file, index % 2 === 0 ? 'rubbish' : '')
  }
  expect(usedIn(await startOnce(site, telling))).toEqual([])
})

test('a kill after it was ready loses nothing', async () => {
  await using site = await createLaptopSite({ samples: [] })
  {
    await using demo = await startDemo(site, telling)
    demo.kill('SIGKILL')
    await demo.ended
  }
  expect((await filesBelow(folderOf(site))).length).toBeGreaterThan(1_000)
})

test('with a folder that can not be trusted it says so, and starts', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await mkdir(site.home)
  await symlink(site.manifests, folderOf(site))
  const printed = await startOnce(site, telling)
  expect(printed).toContain('warning: no compiled code is used')
  expect(usedIn(printed)).toEqual([])
  expect(await readdir(site.manifests)).toEqual([])
})

test.for([['--help'], ['--no-such-flag'], ['--port', 'none']])(
  'nothing is made where nothing is run: %s',
  async (flags) => {
    await using site = await createLaptopSite({ samples: [] })
    const home = join(site.home, 'below', 'home')
    await using demo = spawnDemo(site, { ...telling, flags, env: { GATEHOUSE_HOME: home } })
    await demo.ended
    await expect(stat(join(site.home, 'below'))).rejects.toThrow('ENOENT')
  },
)
