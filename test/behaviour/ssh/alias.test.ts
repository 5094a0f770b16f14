/** A stock ssh after `gatehouse login` and `gatehouse config-ssh`, in a home of its own: nothing but an alias is said, and nothing else is configured. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { freePort } from '#test/support/free-port.ts'
import { type PersonMachine, personMachine, type Ran } from '#test/support/person-command.ts'
import { tokenGiver } from '#test/support/pod-token.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { createTestCa } from '#test/support/test-ca.ts'
import { type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'
import { type WorkspaceSshd, workspaceSshd } from '#test/support/workspace-sshd.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const run = promisify(execFile)
const alias = 'nb.team.prod.gatehouse'
/** Of the tests alone, which start the program many times. */
const compiled = join(import.meta.dirname, '../../../artefacts/compile-cache')
/** As somebody wrote it: no end of its last line, and a byte that is no UTF-8. */
const ownConfig = Buffer.from(
  '# caf\u00e9\nHost bastion\n\tHostName 192.0.2.1\n\nHost *\n  ServerAliveInterval 77\n  User nobody',
  'latin1',
)

describeWith('sshd', 'an alias', (sshd) => {
  vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })
  let parts: AsyncDisposableStack
  let within: WorkspaceSshd
  let scene: TunnelScene
  let machine: PersonMachine
  /** Programs of the person's machine. */
  let bin: string
  let userConfig: string
  let keys: string

  beforeAll(async () => {
    await using opened = new AsyncDisposableStack()
    within = opened.use(await workspaceSshd(sshd, ['sh', 'cat', 'echo', 'sleep', 'tar', 'gzip', 'curl']))
    const ca = createTestCa(join(within.folder, 'ca'))
    const pem = await readFile(ca.caFile, 'utf8')
    const giver = await tokenGiver()
    const tls = { domain: 'localhost', ...ca.issue(['localhost', '*.localhost']), ca: pem }
    scene = opened.use(
      await tunnelScene({
        ...{ app: within.app, tls, podTokens: giver.podTokens },
        spec: { resources: { limits: { memory: '8Gi' } } },
        settings: (settings) => ({ ...settings, ssh: { deployment: 'prod', user: userInfo().username } }),
      }),
    )
    await within.start(scene, giver, pem)
    machine = opened.use(await personMachine())
    bin = join(machine.home, 'bin')
    await mkdir(bin)
    for (const program of ['ssh', 'scp']) await symlink(`/usr/bin/${program}`, join(bin, program))
    userConfig = join(machine.home, '.ssh', 'config')
    keys = join(machine.configFolder, 'ssh', 'prod')
    await mkdir(join(machine.home, '.ssh'), { mode: 0o700 })
    await writeFile(userConfig, ownConfig, { mode: 0o640 })
    const login = await machine.login(await scene.world.as('alice'), [
      ...[scene.world.origin, '--name', 'prod', '--ca-file', ca.caFile],
    ])
    expect(login).toMatchObject({ code: 0 })
    parts = opened.move()
  })
  afterAll(() => parts?.disposeAsync())

  /** Stock OpenSSH, by the person's own configuration, with the variables of somebody who has clicked on something. */
  const ssh = (...args: readonly string[]): Promise<Ran> => by('ssh', ['-F', userConfig, ...args])
  const environment = () => ({ HOME: machine.home, PATH: '/usr/bin:/bin', NODE_COMPILE_CACHE: compiled })
  const by = async (program: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    return run(program, [...args], { env: { ...environment(), ...more } }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ran) => ({ code, stdout, stderr }),
    )
  }
  const certificate = () => readFile(join(keys, `${alias}-cert.pub`), 'utf8')
  /** By the audit trail. */
  const signed = () =>
    scene.world.audit.filter((record) => record.event === 'ssh-certificate' && record.role === 'user').length
  const pathOf = (...folders: readonly string[]) => ({ PATH: folders.join(':') })

  test('is a host of ssh after config-ssh, by one line in a configuration that stays as it was byte for byte, and prints nothing but what the command there does', async () => {
    const dry = await machine.run(['config-ssh', '--dry-run'])
    expect(dry).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Host "*.prod.gatehouse"') })
    expect([await readFile(userConfig), await readdir(machine.configFolder)]).toEqual([
      ownConfig,
      expect.not.arrayContaining(['ssh']),
    ])
    expect(await machine.run(['config-ssh', '-o', 'json'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('*.prod.gatehouse'),
    })
    const line = `Include "${machine.configFolder}/ssh/ssh_config"\n`
    expect(await readFile(userConfig)).toEqual(Buffer.concat([Buffer.from(line), ownConfig]))
    expect((await stat(userConfig)).mode & 0o777).toBe(0o640)

    expect(await ssh(alias, 'echo ok')).toEqual({ code: 0, stdout: 'ok\n', stderr: '' })
    expect((await stat(join(keys, 'id_ed25519'))).mode & 0o777).toBe(0o600)
    const { stdout: said } = await run('ssh-keygen', ['-L', '-f', join(keys, `${alias}-cert.pub`)])
    expect(said).toMatch(/Principals: \n\s+ws:team\/nb\n/)
    expect(said).not.toContain('permit-agent-forwarding')

    // Once more: nothing changes, and what is good is used again.
    const before = await certificate()
    expect(await machine.run(['config-ssh'])).toMatchObject({ code: 0 })
    expect(await readFile(userConfig)).toEqual(Buffer.concat([Buffer.from(line), ownConfig]))
    expect(await ssh(alias, 'exit 3')).toEqual({ code: 3, stdout: '', stderr: '' })
    expect([await certificate(), signed()]).toEqual([before, 1])
    const { stdout: effective } = await ssh('-G', alias)
    expect(effective.split('\n')).toEqual(
      expect.arrayContaining([
        'stricthostkeychecking true',
        'serveraliveinterval 30',
        `userknownhostsfile ${keys}/known_hosts`,
      ]),
    )
    expect((await ssh('-G', 'bastion')).stdout.split('\n')).toEqual(
      expect.arrayContaining(['hostname 192.0.2.1', 'user nobody', 'stricthostkeychecking ask']),
    )
  })

  test('a certificate near its end is renewed by itself, once for all that find it so, and one of another login is never shown', async () => {
    const before = await certificate()
    const count = signed()
    const near = before.replace(/,\d+\n$/, `,${Date.now() - 1}\n`)
    await writeFile(join(keys, `${alias}-cert.pub`), near, { mode: 0o600 })
    const both = await Promise.all([ssh(alias, 'echo one'), ssh(alias, 'echo two')])
    expect(both.map(({ stdout, stderr }) => stdout + stderr)).toEqual(['one\n', 'two\n'])
    expect(await certificate()).not.toBe(before)
    expect(signed()).toBe(count + 1)
    await writeFile(
      join(keys, `${alias}-cert.pub`),
      (await certificate()).replace(/gatehouse,[^,]+/, 'gatehouse,other'),
    )
    await rm(join(keys, 'known_hosts'))
    expect(await ssh(alias, 'echo ok')).toEqual({ code: 0, stdout: 'ok\n', stderr: '' })
    expect(signed()).toBe(count + 2)
    // A key that others may have read is no key any more.
    const key = await readFile(join(keys, 'id_ed25519'), 'utf8')
    await chmod(join(keys, 'id_ed25519'), 0o644)
    await rm(join(keys, `${alias}-cert.pub`))
    expect(await ssh(alias, 'echo ok')).toEqual({ code: 0, stdout: 'ok\n', stderr: '' })
    expect(await readFile(join(keys, 'id_ed25519'), 'utf8')).not.toBe(key)
  })

  test('one that nobody may enter is refused with its code, once', async () => {
    const none = await ssh('none.team.prod.gatehouse', 'echo ok')
    expect(none).toMatchObject({ code: 255, stdout: '' })
    expect(none.stderr.match(/\((?:not_found|forbidden)\)/g), none.stderr).toHaveLength(1)
  })

  test('gatehouse ssh hands its arguments and exit code on and starts what is stopped; gatehouse cp copies both ways', async () => {
    const { world, ref } = scene
    await world.resources.patchSpec(workspaceKind, ref, { desiredStatus: 'Stopped' })
    await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Stopped', 'it is stopped')
    const stopped = await ssh(alias, 'echo ok')
    expect(stopped).toMatchObject({ code: 255, stdout: '', stderr: expect.stringContaining('(workspace_stopped)') })
    await using wished = machine.begin(['ssh', 'nb', '--no-checks', '--', '-T', 'cat; exit 7'])
    wished.type('by hand')
    wished.end()
    expect(await wished.ended).toMatchObject({ code: 7, stdout: 'by hand' })
    expect(world.runtime.started).toEqual(['team/nb', 'team/nb'])

    const [from, there, back] = ['from', 'there', 'back'].map((name) => join(within.folder, name))
    const content = randomBytes(300_000)
    await writeFile(from ?? '', content)
    expect(await machine.run(['cp', '-q', from ?? '', `team/nb:${there}`])).toMatchObject({ code: 0, stdout: '' })
    expect(await machine.run(['cp', '-q', `nb:${there}`, back ?? ''])).toMatchObject({ code: 0 })
    expect((await readFile(back ?? '')).equals(content)).toBe(true)
  })

  test('the agent of the person’s machine is reached from within where config-ssh was told so, and by no word of a client otherwise', async () => {
    const agent = { SSH_AUTH_SOCK: join(machine.home, 'agent') }
    const program = spawn('ssh-agent', ['-D', '-a', agent.SSH_AUTH_SOCK], { stdio: 'ignore' })
    using _ = { [Symbol.dispose]: () => void program.kill() }
    const key = join(machine.home, 'mine')
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'a key of mine', '-f', key])
    await expect.poll(async () => (await by('ssh-add', ['-q', key], agent)).code).toBe(0)
    // 2: there is no agent.
    const listed = (...args: readonly string[]) =>
      by('ssh', ['-F', userConfig, ...args, alias, '/usr/bin/ssh-add -l'], agent)
    expect(await listed('-A')).toMatchObject({ code: 2, stdout: '' })
    expect(await machine.run(['config-ssh', '--agent-forwarding'])).toMatchObject({ code: 0 })
    expect(await listed()).toMatchObject({ code: 0, stdout: expect.stringContaining(' a key of mine (ED25519)') })
  })

  describeWith('code-server', 'the way that desktop IDEs install their server', (codeServer) => {
    test('a script on the standard input of ssh -T -D starts a code-server, whose workbench comes through the SOCKS port', async () => {
      const [port, socks] = await Promise.all([freePort(), freePort()])
      const args = ['-F', userConfig, '-T', '-D', `127.0.0.1:${socks}`, alias, 'sh']
      const child = spawn('ssh', args, { env: environment(), stdio: 'pipe' })
      let said = ''
      for (const output of [child.stdout, child.stderr])
        output.setEncoding('utf8').on('data', (text: string) => {
          said += text
        })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      const places = `--user-data-dir "$HOME/data" --extensions-dir "$HOME/extensions"`
      const quiet = '--auth none --disable-telemetry --disable-update-check'
      child.stdin.write(`PATH=/usr/bin:/bin
        ${codeServer} --bind-addr 127.0.0.1:${port} ${quiet} ${places} > "$HOME/server.log" 2>&1 &
        server=$!
        trap 'kill $server; wait $server' EXIT
        echo it starts
      `)
      await expect.poll(() => said, { timeout: 20_000 }).toBe('it starts\n')
      const page = () => by('curl', ['-sSfL', '--socks5-hostname', `127.0.0.1:${socks}`, `http://127.0.0.1:${port}/`])
      await expect
        .poll(page, { timeout: 30_000 })
        .toMatchObject({ code: 0, stdout: expect.stringContaining('vscode-workbench-web-configuration') })
      // The end of its input is the end of all that it has begun.
      child.stdin.end()
      expect(await ended).toBe(0)
      const gone = connect({ host: '127.0.0.1', port })
      await expect(once(gone, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })
  })

  const put = async (name: string, script: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  const vsCode = (extension: string) =>
    `case "$1" in --help) echo "Visual Studio Code 1.99.0" ;; --list-extensions) echo "${extension}@0.1" ;; esac`

  test('[SP24.7] gatehouse code and gatehouse ssh look first at what doctor looks at, and say how to install what is missing', async () => {
    const empty = join(machine.home, 'empty')
    await mkdir(empty)
    const command = ['nb', '--', '-T', 'echo ok']
    for (const name of ['ssh', 'code']) {
      const nothing = await machine.run([name, 'nb'], pathOf(empty))
      expect(nothing).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('(requirements_missing)') })
      expect(nothing.stderr).toMatch(/^ssh: there is no ssh client\. Install it: apt install openssh-client/m)
      expect(nothing.stderr).toMatch(/^vscode: no VS Code was found\. Install it: https:\/\/code\.visualstudio\.com/m)
    }
    // For a shell no VS Code is needed: it is said, and no more.
    const shell = await machine.run(['ssh', ...command], pathOf(bin))
    expect(shell).toMatchObject({ code: 0, stdout: 'ok\n', stderr: expect.stringMatching(/^vscode: no VS Code/m) })
    await put('code', vsCode('ms-python.python'))
    const bare = await machine.run(['code', 'nb'], pathOf(bin))
    expect(bare).toMatchObject({ code: 1, stdout: '' })
    expect(bare.stderr).toMatch(/^remote-ssh: .* Install it: code --install-extension ms-vscode-remote\.remote-ssh$/m)
  })

  test('gatehouse code gives the IDE an address without a credential, and prints it where nothing opens it', async () => {
    const opened = join(machine.home, 'opened')
    await put('code', vsCode('ms-vscode-remote.remote-ssh'))
    await put('browser', `echo "$1" > ${opened}`)
    const code = (...args: readonly string[]) =>
      machine.run(['code', 'nb', ...args], { ...pathOf(bin), BROWSER: join(bin, 'browser') })
    const { homedir } = userInfo()
    const link = `vscode://vscode-remote/ssh-remote+${alias}${homedir}?windowId=_blank\n`
    expect(await code()).toEqual({ code: 0, stdout: link, stderr: '' })
    await expect.poll(() => readFile(opened, 'utf8').catch(() => '')).toBe(link)
    await rm(opened)
    const cursor = `cursor://vscode-remote/ssh-remote+${alias}/a%20b?windowId=_blank\n`
    expect(await code('/a b', '--ide', 'cursor', '--print', '--no-checks')).toEqual({
      code: 0,
      stdout: cursor,
      stderr: '',
    })
    expect(await readdir(machine.home)).not.toContain('opened')
    const nowhere = await machine.run(['code', 'nb', '/w', '--no-checks'], { ...pathOf(bin), BROWSER: '' })
    expect(nowhere).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^vscode:/),
      stderr: expect.stringContaining('open it where'),
    })
  })

  test('[SP24.8] doctor and code look into the image: sshd, tar, gzip, and curl or wget', async () => {
    const doctor = async () => {
      const { code, stdout } = await machine.run(['doctor', 'nb', '-o', 'json'], pathOf(bin))
      const found: readonly Record<string, string>[] = JSON.parse(stdout)
      const of = (check: string) => found.find((one) => one.check === check)
      return { code, of, verdicts: ['sshd', 'tar', 'gzip', 'curl or wget'].map((check) => of(check)?.verdict) }
    }
    const good = await doctor()
    expect([good.code, ...good.verdicts]).toEqual([0, 'ok', 'ok', 'ok', 'ok'])
    expect(good.of('sshd')?.found).toMatch(/^SSH-2\.0-OpenSSH_/)
    for (const program of ['tar', 'curl']) await rm(join(within.bin, program))
    const poor = await doctor()
    expect([poor.code, ...poor.verdicts]).toEqual([1, 'ok', 'missing', 'ok', 'missing'])
    expect(poor.of('curl or wget')?.remedy).toContain('docs/ssh-image.md')
    const code = () => machine.run(['code', 'nb'], pathOf(bin))
    expect(await code()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('tar: the image has no tar.'),
    })
    await within.stop()
    expect(await code()).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^sshd: .*SSH/m) })
  })

  test('after a logout nothing of it is left for ssh, which says so; config-ssh --remove leaves what was there before', async () => {
    expect(await machine.run(['logout'])).toMatchObject({ code: 0 })
    const refused = await ssh(alias, 'echo ok')
    expect(refused).toMatchObject({ code: 255, stdout: '' })
    expect(refused.stderr.match(/\(not_logged_in\)/g)).toHaveLength(1)
    expect(await readdir(join(machine.configFolder, 'ssh'))).not.toContain('prod')
    expect(await machine.run(['config-ssh', '--remove'])).toMatchObject({ code: 0 })
    expect(await readFile(userConfig)).toEqual(ownConfig)
    expect(await readdir(machine.configFolder)).not.toContain('ssh')
  })
})
