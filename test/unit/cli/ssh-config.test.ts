/** What is written for ssh, and for whom it is refused; OpenSSH itself says what it makes of it. */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CliFault, isCliFault } from '#cli/client/cli-fault.ts'
import { readTrust } from '#cli/client/ssh-trust.ts'
import { parseCopy } from '#cli/cp.ts'
import { startOf } from '#cli/person-machine.ts'
import { configText } from '#cli/ssh/config-text.ts'
import { folderToSay } from '#cli/ssh/given-folder.ts'
import { findingOf, readPrograms } from '#cli/ssh/image-check.ts'
import { hasInclude, includeLine, withInclude, withoutInclude } from '#cli/ssh/include-line.ts'
import { ownedConfig, placesOf, userConfig } from '#cli/ssh/places.ts'
import { newKey } from '#ssh/private-key.ts'
import { describeWith } from '#test/support/real-parts.ts'

const run = promisify(execFile)
const linux = { env: {}, platform: 'linux', homeFolder: '/home/alice' }
const mac = { env: {}, platform: 'darwin', homeFolder: '/Users/alice' }
const windows = {
  env: { APPDATA: 'C:\\Users\\alice\\AppData\\Roaming' },
  platform: 'win32',
  homeFolder: 'C:\\Users\\alice',
}
const program = ['/usr/bin/node', '/home/alice/.local/bin/gatehouse']

function textFor(
  machine: typeof linux | typeof windows,
  over: Partial<Parameters<typeof configText>[0]> = {},
  ...names: readonly string[]
) {
  const blocks = (names.length === 0 ? ['prod'] : names).map((name) => ({
    ...{ name, sshName: name, user: 'workspace', places: placesOf(machine, { name }) },
  }))
  return configText({
    blocks,
    program,
    folder: folderToSay(machine),
    platform: machine.platform,
    agentForwarding: false,
    ...over,
  })
}

const onWindows = (execPath: string) =>
  startOf({ execPath, platform: 'win32', env: { PATH: 'C:\\Node' }, argv: ['node', 'C:\\Tools\\gatehouse.cjs'] })

const codeOf = (act: () => unknown) => {
  try {
    return act()
  } catch (error) {
    if (isCliFault(error)) return error.code
    throw error
  }
}

describe('the line in the own configuration', () => {
  const line = includeLine('/home/alice/.config/gatehouse/ssh/ssh_config', 'linux')
  const words = [
    'Host *\n',
    'Host a\r\n',
    ' User x\n',
    `${line}\n`,
    `  ${line}\n`,
    '\n',
    'Match all\n',
    '# \u00ff\n',
    'IdentityFile y',
  ]

  test('is above every host, is there once, and taken away leaves what was there before', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 8 }), (lines) => {
        const text = lines.join('')
        const after = withInclude(text, line)
        expect(hasInclude(after, line)).toBe(true)
        expect(withInclude(after, line)).toBe(after)
        expect(withoutInclude(after, line)).toBe(withoutInclude(text, line))
        if (!text.includes(line)) expect(after.endsWith(text)).toBe(true)
      }),
    )
  })

  test('has the ends of lines that the others have, and stays behind the mark of its encoding', () => {
    expect(withInclude('Host a\r\n', line)).toBe(`${line}\r\nHost a\r\n`)
    expect(withInclude('\u00ef\u00bb\u00bfHost a\n', line)).toBe(`\u00ef\u00bb\u00bf${line}\nHost a\n`)
    expect(hasInclude(`Host a\n${line}\n`, line)).toBe(false)
  })
})

describe('the file of ours', () => {
  test('is found where each system keeps such things, with absolute paths', () => {
    expect(ownedConfig(mac)).toBe('/Users/alice/Library/Application Support/gatehouse/ssh/ssh_config')
    expect(textFor(mac)).toContain(
      'IdentityFile "/Users/alice/Library/Application Support/gatehouse/ssh/prod/id_ed25519"',
    )
    expect(userConfig(windows)).toBe('C:\\Users\\alice\\.ssh\\config')
    expect(includeLine(ownedConfig(windows), 'win32')).toBe(
      'Include "C:/Users/alice/AppData/Roaming/gatehouse/ssh/ssh_config"',
    )
    // Never by a bare name, which Windows looks for in the current folder first.
    const there = textFor(windows, { program: onWindows('C:\\Node\\node.exe') })
    expect(there).toContain('exec "C:/Node/node.exe C:/Tools/gatehouse.cjs ssh-certificate --deployment prod -- %h"')
    expect(there).toContain('ProxyCommand C:/Node/node.exe C:/Tools/gatehouse.cjs tunnel --deployment prod -- %h')
    expect(codeOf(() => textFor(windows, { program: onWindows('C:\\Program Files\\nodejs\\node.exe') }))).toBe(
      'path_refused',
    )
  })

  test('says where logins are, where a variable has moved them', () => {
    const moved = { ...linux, env: { GATEHOUSE_CLI_CONFIG: '/srv/cfg' } }
    expect(textFor(moved)).toContain("tunnel --deployment prod --config-folder /srv/cfg -- '%h'")
    expect(textFor(linux)).not.toContain('--config-folder')
    expect(folderToSay(windows)).toBeUndefined()
  })

  test.each([
    ['a quote', { program: ['/usr/bin/node', "/home/o'brien/gatehouse"] }],
    ['a second line', { program: ['/usr/bin/node', '/a\nProxyCommand evil'] }],
    ['a variable', { program: ['/usr/bin/node', '/a/$HOME/x'] }],
    ['a token of ssh', { program: ['/usr/bin/node', '/a/%d/x'] }],
    ['a pattern', { folder: '/home/[a]*' }],
  ])('is not written with %s in a path', (_, over) => {
    expect(codeOf(() => textFor(linux, over))).toBe('path_refused')
  })

  test('is not written with names that would be options', () => {
    const block = { name: 'prod', sshName: 'prod', user: 'workspace', places: placesOf(linux, { name: 'prod' }) }
    for (const bad of [
      { sshName: 'a b' },
      { sshName: '*' },
      { sshName: 'prod\nUser root' },
      { user: 'x\nProxyCommand y' },
      { user: 'A' },
    ])
      expect(codeOf(() => textFor(linux, { blocks: [{ ...block, ...bad }] }))).toBe('no_gateway')
    expect(codeOf(() => textFor(windows, { program: ['node', 'C:\\Program Files\\gatehouse.cjs'] }))).toBe(
      'path_refused',
    )
  })
})

test('a gateway is believed for names of its own alone', () => {
  const key = newKey('x').publicKey.split(' ').slice(0, 2).join(' ')
  const trust = (over: object) =>
    readTrust({
      deployment: 'prod',
      user: 'workspace',
      knownHosts: [`@cert-authority *.prod.gatehouse ${key}`],
      ...over,
    })
  expect(trust({})).toEqual({
    sshName: 'prod',
    user: 'workspace',
    knownHosts: `@cert-authority *.prod.gatehouse ${key}\n`,
  })
  for (const line of [
    `@cert-authority * ${key}`,
    `@cert-authority *.other.gatehouse ${key}`,
    `*.prod.gatehouse ${key}`,
    `@cert-authority *.prod.gatehouse,* ${key}`,
    `@cert-authority *.prod.gatehouse ${key}\n* ${key}`,
    '@cert-authority *.prod.gatehouse ssh-rsa AAAA',
  ])
    expect(trust({ knownHosts: [line] }), line).toBeUndefined()
  for (const over of [{ knownHosts: [] }, { user: 'x y' }, { user: undefined }, { deployment: '*' }])
    expect(trust(over)).toBeUndefined()
})

test('what is copied is of this machine on one side, and of one workspace on the other', () => {
  expect(parseCopy(['a', './b:c', 'team/nb:x']).places).toEqual([
    { local: 'a' },
    { local: './b:c' },
    { workspace: 'team/nb', remote: 'x' },
  ])
  expect(parseCopy(['nb:a', 'nb:/b:c', 'C:\\there']).workspace).toBe('nb')
  for (const words of [['nb:a'], ['a', 'b'], ['nb:a', 'nb2:b'], ['nb:a', 'b', 'nb:c'], ['nb:a', 'nb:b'], []])
    expect(
      codeOf(() => parseCopy(words)),
      words.join(' '),
    ).toBe('usage')
})

test('an agent that is away is found missing itself, not what its workspace may have; whatever else nobody can know is said of sshd', () => {
  const refused = (code: string, status: number) => findingOf(new CliFault(code, 'no', { status }), 'ssh-remote')
  expect(refused('agent_away', 503)).toMatchObject({ check: 'agent', verdict: 'missing', found: 'no (agent_away)' })
  expect(refused('agent_away', 503).remedy).toContain('docs/agent.md')
  expect(refused('nothing_listens', 424)).toMatchObject({
    ...{ check: 'sshd', verdict: 'missing' },
    remedy: expect.stringContaining('docs/ssh-image.md'),
  })
  expect(refused('forbidden', 403).remedy).toContain('A share that names types')
})

test('one of curl and wget will do, and a shell that says nothing is none', () => {
  const answer = (stdout: string, stderr = '') => ({ code: 0, stdout, stderr })
  const verdicts = (stdout: string) => readPrograms(answer(stdout)).findings.map(({ verdict }) => verdict)
  expect(
    verdicts('Welcome!\ngatehouse-has tar\ngatehouse-has gzip\ngatehouse-has wget\ngatehouse-home /home/w\n'),
  ).toEqual(['ok', 'ok', 'ok'])
  expect(verdicts('gatehouse-has gzip\ngatehouse-home /\n')).toEqual(['missing', 'ok', 'missing'])
  expect(readPrograms(answer('', 'x\nPermission denied (publickey).\n')).findings).toMatchObject([
    { verdict: 'missing', found: 'nobody is let in: Permission denied (publickey).' },
  ])
})

describeWith('ssh', 'OpenSSH', () => {
  test('reads several deployments side by side, each with its own key and hosts, and takes its keys', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gh-ssh-config-'))
    try {
      const machine = { env: {}, platform: 'linux', homeFolder: folder }
      const path = join(folder, 'config')
      await writeFile(path, textFor(machine, { program: ['/bin/true'] }, 'one', 'two'), { mode: 0o600 })
      const effective = async (host: string) => (await run('ssh', ['-F', path, '-G', host])).stdout.split('\n')
      for (const name of ['one', 'two']) {
        const { knownHosts, key } = placesOf(machine, { name })
        expect(await effective(`nb.team.${name}.gatehouse`)).toEqual(
          expect.arrayContaining([
            ...[
              `userknownhostsfile ${knownHosts}`,
              `globalknownhostsfile ${knownHosts}`,
              `identityfile ${key}`,
              'user workspace',
            ],
            ...['stricthostkeychecking true', 'identitiesonly yes', 'forwardagent no', 'updatehostkeys false'],
            `proxycommand /bin/true tunnel --deployment ${name} -- '%h'`,
          ]),
        )
      }
      expect((await effective('nb.team.three.gatehouse')).filter((line) => line.startsWith('proxycommand'))).toEqual([])
      // Whoever brings a name to ssh past its own look at it (CVE-2023-51385), such as another file of its configuration.
      const pwned = join(folder, 'pwned')
      for (const name of [
        `x';touch ${pwned};'`,
        `$(touch ${pwned})`,
        `\`touch ${pwned}\``,
        `x&touch ${pwned}`,
        'a b',
      ]) {
        const text = textFor(machine, { program: ['/bin/true'] }, 'one')
        await writeFile(path, `Host x\n  HostName "${name}.team.one.gatehouse"\n${text}`)
        expect((await effective('x')).filter((line) => line.startsWith('proxycommand'))).toEqual([])
      }
      expect(await readdir(folder)).not.toContain('pwned')
      const { privateKey, publicKey } = newKey('of a test')
      await writeFile(join(folder, 'key'), privateKey, { mode: 0o600 })
      expect((await run('ssh-keygen', ['-y', '-f', join(folder, 'key')])).stdout.trim()).toBe(publicKey)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
