/** The command line as gateways serve it, by the oldest Node that people are told it runs on: a real one, which is a package of the tests. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { programVersion } from '#cli/program-version.ts'
import { type AliasScene, aliasScene } from '#test/support/alias-scene.ts'
import { describeWith } from '#test/support/real-parts.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')
const node = join(root, 'node_modules/node-22/bin/node')

describeWith('sshd', 'by the oldest Node that it is for, the command line', (sshd) => {
  let scene: AliasScene

  beforeAll(async () => {
    scene = await aliasScene(sshd, ['sh', 'echo'], node)
  })
  afterAll(() => scene?.[Symbol.asyncDispose]())

  test('says its version, and this is the first of those that the README names', async () => {
    const [, promised] =
      /any machine with Node (\d+) or newer/.exec(await readFile(join(root, 'README.md'), 'utf8')) ?? []
    expect((await run(node, ['--version'])).stdout).toBe(`v${promised}.0.0\n`)
    expect(await scene.machine.run(['--version'])).toEqual({ code: 0, stdout: `${programVersion}\n`, stderr: '' })
  })

  test('says who is logged in, which workspaces there are and how one is', async () => {
    const { machine } = scene
    const said = async (...args: string[]) => {
      const ran = await machine.run(args)
      expect(ran).toMatchObject({ code: 0, stderr: '' })
      return ran.stdout
    }
    expect(JSON.parse(await said('status', '-o', 'json'))).toMatchObject([{ deployment: 'prod', username: 'alice' }])
    expect(await said('list')).toMatch(/^team +nb +Running +alice +owner +https/m)
    expect(await said('open', 'nb', '--print')).toMatch(/^https:.*\n$/)
    expect(await said('status', 'nb')).toMatch(/^state +Running/m)
  })

  test('is what a stock ssh runs to reach a workspace, and to have a certificate for it', async () => {
    const { config, alias, env } = scene
    const { stdout: effective } = await run('ssh', ['-G', '-F', config, alias], { env })
    expect(effective.split('\n').find((line) => line.startsWith('proxycommand '))).toContain(node)
    expect(await run('ssh', ['-F', config, alias, 'echo ok'], { env })).toEqual({ stdout: 'ok\n', stderr: '' })
  })
})
