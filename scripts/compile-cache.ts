/**
 * `node scripts/compile-cache.ts APP USER`: for an image that holds Gatehouse in APP and runs it as the user of this number. Puts the compiled code of
 * `gatehouse serve` into APP/compile-cache, where it counts only while root alone may write (`src/lib/compile-cache.ts`). Needs the Node that the image runs.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** It loads everything, reads its settings, and finds that it is in no cluster. */
const expected = 'this is no pod of a cluster'
const fewestFiles = 1_000

function main(app: string, user: string): void {
  const folder = join(resolve(app), 'compile-cache')
  rmSync(folder, { recursive: true, force: true })
  const { stderr } = spawnSync(process.execPath, [join(resolve(app), 'bin', 'gatehouse.js'), 'serve'], {
    cwd: '/',
    encoding: 'utf8',
    env: { NODE_COMPILE_CACHE: folder, NODE_COMPILE_CACHE_PORTABLE: '1' },
  })
  if (!stderr.includes(expected)) throw new Error(`gatehouse serve ended in another way: ${stderr}`)
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile())
  if (files.length < fewestFiles) throw new Error(`only ${files.length} modules were kept in ${folder}`)
  for (const { parentPath, name } of files) chmodSync(join(parentPath, name), 0o644)
  for (const name of readdirSync(folder)) {
    // Node keeps users apart by the end of the name.
    const target = join(folder, name.replace(/-\d+$/, `-${user}`))
    renameSync(join(folder, name), target)
    chmodSync(target, 0o755)
  }
  chmodSync(folder, 0o755)
}

const [app, user] = process.argv.slice(2)
if (app === undefined || user === undefined || !/^\d+$/.test(user)) {
  process.stderr.write('usage: node scripts/compile-cache.ts APP USER\n')
  process.exitCode = 2
} else main(app, user)
