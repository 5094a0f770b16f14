import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkConfig } from '#cli/check-config.ts'
import { least } from './settings-world.ts'

function world(file: string, env: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-check-'))
  writeFileSync(join(folder, 'settings.yaml'), file)
  const said = { stdout: '', stderr: '' }
  const io = {
    stdout: { write: (text: string) => (said.stdout += text) },
    stderr: { write: (text: string) => (said.stderr += text) },
    env,
    cwd: () => folder,
  }
  return {
    said,
    run: (args: string[]) => checkConfig(args, io),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}

test('check-config says OK, for what, and 0 for good settings, and names what is insecure on purpose', async () => {
  using good = world(`${least}insecureHttpIssuer: true\n`)
  expect(await good.run(['--face', 'serve', 'settings.yaml'])).toBe(0)
  expect(good.said).toEqual({
    stdout: expect.stringMatching(/^insecure: insecureHttpIssuer: .*\nOK for 'gatehouse serve': settings\.yaml\n$/),
    stderr: '',
  })
})

test('check-config says every problem with its line and path, and 1', async () => {
  using bad = world(`${least}port: no\nprobe: {period: 0s}\n`)
  expect(await bad.run(['--face=serve', 'settings.yaml'])).toBe(1)
  expect(bad.said.stderr).toBe(
    'settings.yaml:5: port: must be a whole number\n' +
      'settings.yaml:6: probe.period: must be a duration above zero such as 30s, 10m or 1h30m\n' +
      "settings.yaml: 2 problems for 'gatehouse serve'\n",
  )
})

test('check-config checks for the laptop mode, unless another face is named, and reads the environment as a start would', async () => {
  using none = world('operations: {hosts: [0.0.0.0]}', { GATEHOUSE_DOMAIN: 'ws.example.com' })
  const scheme = 'must be https for ws.example.com (set insecureHttpExternal to let cookies travel in the clear)'
  const address = 'must be a loopback address (set insecureWideBind to let other machines connect in the clear)'
  for (const args of [['settings.yaml'], ['--face', 'demo', 'settings.yaml']]) {
    none.said.stderr = ''
    expect(await none.run(args)).toBe(1)
    expect(none.said.stderr).toBe(
      `settings.yaml:1: operations.hosts[0]: ${address}\nsettings.yaml: external.scheme: ${scheme}\n` +
        "settings.yaml: 2 problems for 'gatehouse demo'\n",
    )
  }
  expect(await none.run(['settings.yaml', '--face', 'serve'])).toBe(0)
})

test('check-config --help names both faces, and 0', async () => {
  using any = world('{}')
  expect(await any.run(['--help'])).toBe(0)
  expect(any.said.stdout).toContain('usage: gatehouse check-config [--face demo|serve] FILE')
})

test.each([[[]], [['a', 'b']], [['--what', 'a']], [['--face', 'operate', 'a']]])(
  'check-config %j explains its use, and 2',
  async (args) => {
    using any = world('{}')
    expect(await any.run(args)).toBe(2)
    expect(any.said.stderr).toContain('usage: gatehouse check-config')
  },
)
