/** The checks of a person's machine, on machines that are played: what each system says, and what is made of it. */
import { describe, expect, test } from 'vitest'
import { commandOf } from '#cli/doctor/machine-probes.ts'
import type { Finding, Probes, ProgramAnswer } from '#cli/doctor/probes.ts'
import { checkMachine } from '#cli/doctor.ts'

interface Machine {
  readonly platform: 'linux' | 'darwin' | 'win32' | 'freebsd'
  readonly release?: string
  readonly environment?: Record<string, string>
  readonly files?: Record<string, string>
  /** By program and arguments. */
  readonly says: Record<string, Partial<ProgramAnswer>>
}

function played({ platform, release = '', environment = {}, files = {}, says }: Machine): Probes {
  return {
    ...{ platform, release, environment },
    async run(program, args) {
      const answer = says[[program, ...args].join(' ')]
      return answer && { code: 0, stdout: '', stderr: '', ...answer }
    },
    read: async (path) => files[path],
  }
}

const extensions = 'code --list-extensions --show-versions'
const remoteSsh = 'ms-python.python@2025.1.0\nms-vscode-remote.remote-ssh@0.115.1\n'
const code = (version: string, name = 'Visual Studio Code') => ({
  stdout: `${name} ${version}\n\nUsage: code [options]\n`,
})
const good: Machine = {
  platform: 'linux',
  release: '6.1.0',
  files: { '/etc/os-release': 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' },
  says: {
    'ssh -V': { stderr: 'OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15\n' },
    'code --help': code('1.90.0'),
    [extensions]: { stdout: remoteSsh },
  },
}
const mac: Machine = {
  ...good,
  platform: 'darwin',
  says: {
    ...good.says,
    'sw_vers -productVersion': { stdout: '13.0\n' },
    'ssh -V': { stderr: 'OpenSSH_9.0p1, LibreSSL 3.3.6\n' },
  },
}
const powerShell = 'powershell.exe -NoProfile -NonInteractive -Command $PSVersionTable.PSVersion.ToString()'
const windows: Machine = {
  ...good,
  platform: 'win32',
  release: '10.0.19045',
  says: {
    ...good.says,
    [powerShell]: { stdout: '5.1.19041.4291\r\n' },
    'ssh -V': { stderr: 'OpenSSH_for_Windows_8.1p1, LibreSSL 3.0.2\r\n' },
  },
}

async function findings(machine: Machine): Promise<Readonly<Record<string, Finding>>> {
  return Object.fromEntries((await checkMachine(played(machine))).map((finding) => [finding.check, finding]))
}

const verdicts = async (machine: Machine) =>
  Object.fromEntries(Object.entries(await findings(machine)).map(([check, { verdict }]) => [check, verdict]))

/** The machine with other answers; `undefined` takes a program away. */
function but(machine: Machine, says: Record<string, Partial<ProgramAnswer> | undefined>): Machine {
  const entries = Object.entries({ ...machine.says, ...says })
  return { ...machine, says: Object.fromEntries(entries.flatMap(([key, value]) => (value ? [[key, value]] : []))) }
}

const allGood = { system: 'ok', ssh: 'ok', vscode: 'ok', 'remote-ssh': 'ok' }

test('a machine with everything is good', async () => {
  expect(await verdicts(good)).toEqual(allGood)
  expect(await verdicts(mac)).toEqual(allGood)
  expect(await verdicts(windows)).toEqual({ ...allGood, powershell: 'ok' })
  expect((await findings(good)).vscode?.found).toBe('Visual Studio Code 1.90.0, the official build')
})

test('[SP24.10] systems that could not be run here are played, and every finding on them says that it is untested', async () => {
  for (const [machine, untested] of [
    [good, undefined],
    [mac, true],
    [windows, true],
    [{ ...good, platform: 'freebsd' as const }, true],
  ] as const)
    expect(new Set(Object.values(await findings(machine)).map((finding) => finding.untested))).toEqual(
      new Set([untested]),
    )
})

describe('VS Code', () => {
  test.each([
    ['1.89.1', 'missing'],
    ['1.90.0', 'ok'],
    ['1.100.3', 'ok'],
    ['2.0.0', 'ok'],
    ['1.91.0-insider', 'ok'],
  ])('%s is %s', async (version, verdict) => {
    expect((await findings(but(good, { 'code --help': code(version) }))).vscode?.verdict).toBe(verdict)
  })

  test.each([
    ['code', 'Code - OSS'],
    ['code', 'VSCodium'],
    ['codium', 'VSCodium'],
    ['code-oss', 'Code - OSS'],
  ])('%s that is %s is named as an open-source build, unsupported for Remote-SSH', async (program, name) => {
    const machine = but(good, { 'code --help': undefined, [`${program} --help`]: code('1.95.0', name) })
    const { vscode } = await findings(machine)
    expect(vscode).toMatchObject({
      verdict: 'missing',
      remedy: expect.stringContaining('https://code.visualstudio.com'),
    })
    expect(vscode?.found).toBe(`${name} 1.95.0 is an open-source build: unsupported for Remote-SSH`)
  })

  test('is found beside an open-source build, and where installers put it', async () => {
    const both = but(good, { 'codium --help': code('1.95.0', 'VSCodium') })
    expect((await findings(both)).vscode?.verdict).toBe('ok')
    const app = '/Applications/Visual Studio Code.app/Contents/Resources/app/bin/code'
    const inApplications = but(mac, {
      'code --help': undefined,
      [`${app} --help`]: code('1.99.0'),
      [`${app} --list-extensions --show-versions`]: { stdout: remoteSsh },
    })
    expect(await verdicts(inApplications)).toEqual(allGood)
    const program = 'C:\\Users\\a\\AppData\\Local\\Programs\\Microsoft VS Code\\bin\\code.cmd'
    const perUser = but(windows, {
      'code --help': undefined,
      [`${program} --help`]: code('1.99.0'),
      [`${program} --list-extensions --show-versions`]: { stdout: remoteSsh },
    })
    const environment = { LOCALAPPDATA: 'C:\\Users\\a\\AppData\\Local' }
    expect(await verdicts({ ...perUser, environment })).toEqual({ ...allGood, powershell: 'ok' })
  })

  test('that is not there is missing with where to get it, and one that does not say what it is is not known', async () => {
    const none = await findings(but(good, { 'code --help': undefined }))
    expect([none.vscode?.verdict, none['remote-ssh']?.verdict]).toEqual(['missing', 'missing'])
    const silent = await findings(but(good, { 'code --help': { code: 1, stderr: 'no root\n' } }))
    expect(silent.vscode).toMatchObject({ verdict: 'unknown', found: 'code does not say what it is: no root' })
  })
})

test('the Remote-SSH extension is there, is not, or cannot be asked for', async () => {
  const without = await findings(but(good, { [extensions]: { stdout: 'ms-vscode-remote.remote-ssh-edit@0.87.0\n' } }))
  expect(without['remote-ssh']).toMatchObject({
    verdict: 'missing',
    remedy: 'Install it: code --install-extension ms-vscode-remote.remote-ssh',
  })
  const upper = await findings(but(good, { [extensions]: { stdout: 'MS-VSCode-Remote.Remote-SSH@0.1.0\r\n' } }))
  expect(upper['remote-ssh']?.verdict).toBe('ok')
  const broken = await findings(but(good, { [extensions]: { code: 1, stderr: 'no display' } }))
  expect(broken['remote-ssh']?.verdict).toBe('unknown')
})

test.each([
  ['OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15', 'ok'],
  ['OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2', 'ok'],
  ['OpenSSH_7.3p1', 'ok'],
  ['OpenSSH_7.2p2', 'missing'],
  ['OpenSSH_10.0p2', 'ok'],
  ['PuTTY Secure Copy client', 'missing'],
  [undefined, 'missing'],
])('the ssh client %s is %s', async (version, verdict) => {
  const { ssh } = await findings(
    but(good, { 'ssh -V': version === undefined ? undefined : { stderr: `${version}\n` } }),
  )
  expect(ssh?.verdict).toBe(verdict)
  expect(ssh?.remedy === undefined).toBe(verdict === 'ok')
})

test('[SP24.4] PowerShell is asked for on Windows alone, and has to be 5.1', async () => {
  const of = async (stdout: string | undefined) =>
    (await findings(but(windows, { [powerShell]: stdout === undefined ? undefined : { stdout } }))).powershell?.verdict
  expect([await of('5.1.1'), await of('7.4.0'), await of('5.0.10586'), await of('4.0'), await of(undefined)]).toEqual([
    ...['ok', 'ok', 'missing', 'missing', 'missing'],
  ])
  expect((await findings(mac)).powershell).toBeUndefined()
})

test('[SP24.5] the system is macOS 13 or newer, Windows 10 or 11, or Linux', async () => {
  const system = async (machine: Machine) => {
    const found = (await findings(machine)).system
    return `${found?.verdict}: ${found?.found}`
  }
  expect(await system(good)).toBe('ok: Linux, Debian GNU/Linux 12 (bookworm)')
  for (const [version, verdict] of [
    ['12.7.6', 'missing: macOS 12.7.6 is older than 13'],
    ['13.0', 'ok: macOS 13.0'],
    ['26.1', 'ok: macOS 26.1'],
    ['', 'unknown: macOS does not say its version'],
  ] as const)
    expect(await system(but(mac, { 'sw_vers -productVersion': { stdout: version } }))).toBe(verdict)
  for (const [release, verdict] of [
    ['6.3.9600', 'missing: Windows 6.3.9600 is older than Windows 10'],
    ['10.0.19045', 'ok: Windows 10 (10.0.19045)'],
    ['10.0.22631', 'ok: Windows 11 (10.0.22631)'],
  ] as const)
    expect(await system({ ...windows, release })).toBe(verdict)
  expect(await system({ ...good, platform: 'freebsd', release: '14.1' })).toMatch(/^missing: freebsd 14\.1 is none of/)
})

test('no command processor reads the arguments of ssh, among which are names and paths that are not ours', () => {
  const args = ['-F', 'C:/Users/a&b/.ssh/config', '-T', 'nb.team.prod.gatehouse', 'exec sh -c "…"']
  expect(commandOf('win32', 'ssh', args)).toEqual(['ssh.exe', args])
  expect(commandOf('linux', 'ssh', args)).toEqual(['ssh', args])
  expect(commandOf('win32', 'code', ['--help'])).toEqual(['cmd.exe', ['/d', '/s', '/c', 'code', '--help']])
})
