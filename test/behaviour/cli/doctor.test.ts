/** `gatehouse doctor` as a process, with programs on its PATH that say what VS Code and ssh say. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { personMachine } from '#test/support/person-command.ts'

async function scene() {
  await using stack = new AsyncDisposableStack()
  const machine = stack.use(await personMachine())
  const folder = join(machine.home, 'bin')
  await mkdir(folder)
  const running = stack.move()
  const put = async (name: string, script: string) => {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(folder, name), 0o755)
  }
  const doctor = async () => {
    const { code, stdout, stderr } = await machine.run(['doctor', '-o', 'json'], { PATH: folder })
    const found: readonly Record<string, string>[] = JSON.parse(stdout)
    return { code, stderr, of: (check: string) => found.find((one) => one.check === check) }
  }
  return { machine, folder, put, doctor, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

const vsCode = (product: string, version: string, extensions: string) =>
  `case "$1" in
--help) echo "${product} ${version}"; echo; echo "Usage: code [options]" ;;
--list-extensions) printf '${extensions}' ;;
*) exit 64 ;;
esac`

const remoteSsh = 'ms-python.python@2025.1.0\\nms-vscode-remote.remote-ssh@0.115.1\\n'

test('[SP24.1] doctor reports VS Code from 1.90 on as the official build, an older one as missing, and an open-source build as unsupported for Remote-SSH', async () => {
  await using s = await scene()
  await s.put('code', vsCode('Visual Studio Code', '1.90.2', remoteSsh))
  expect((await s.doctor()).of('vscode')).toMatchObject({
    verdict: 'ok',
    found: 'Visual Studio Code 1.90.2, the official build',
  })
  await s.put('code', vsCode('Visual Studio Code', '1.89.1', remoteSsh))
  expect((await s.doctor()).of('vscode')).toMatchObject({
    verdict: 'missing',
    found: expect.stringContaining('older than 1.90'),
  })
  await s.put('code', vsCode('Code - OSS', '1.95.0', remoteSsh))
  const open = 'Code - OSS 1.95.0 is an open-source build: unsupported for Remote-SSH'
  expect((await s.doctor()).of('vscode')).toMatchObject({ verdict: 'missing', found: open })
})

test('[SP24.2] doctor reports the Remote-SSH extension, and how to install it', async () => {
  await using s = await scene()
  await s.put('code', vsCode('Visual Studio Code', '1.99.0', remoteSsh))
  expect((await s.doctor()).of('remote-ssh')).toMatchObject({
    verdict: 'ok',
    found: 'ms-vscode-remote.remote-ssh@0.115.1',
  })
  await s.put('code', vsCode('Visual Studio Code', '1.99.0', 'ms-vscode-remote.remote-ssh-edit@0.87.0\\n'))
  const missing = {
    verdict: 'missing',
    remedy: expect.stringContaining('code --install-extension ms-vscode-remote.remote-ssh'),
  }
  expect((await s.doctor()).of('remote-ssh')).toMatchObject(missing)
})

test('[SP24.3] doctor reports the ssh client of this machine, one that is too old, and that there is none', async () => {
  await using s = await scene()
  const { stdout } = await s.machine.run(['doctor', '-o', 'json'])
  expect(JSON.parse(stdout)).toContainEqual({
    check: 'ssh',
    verdict: 'ok',
    found: expect.stringMatching(/^OpenSSH_\d/),
  })
  expect((await s.doctor()).of('ssh')).toMatchObject({
    verdict: 'missing',
    remedy: expect.stringContaining('openssh-client'),
  })
  await s.put('ssh', 'echo "OpenSSH_7.2p2 Ubuntu-4" >&2')
  expect((await s.doctor()).of('ssh')).toMatchObject({
    verdict: 'missing',
    found: 'OpenSSH_7.2p2 Ubuntu-4 is older than 7.3',
  })
})

test('[SP24.9] doctor ends with 1 when anything is missing, says on standard error how to mend it, and ends with 0 else', {
  timeout: 60_000,
}, async () => {
  await using s = await scene()
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => {
    const isKnown = request.headers.authorization === 'Bearer gatehouse_x'
    response.writeHead(isKnown ? 200 : 401, {
      'Content-Type': isKnown ? 'application/json' : 'application/problem+json',
    })
    response.end(isKnown ? '{}' : '{"code":"unauthorized","title":"You are not logged in."}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  await mkdir(join(s.machine.configFolder, 'logins'), { recursive: true })
  await writeFile(
    join(s.machine.configFolder, 'config.json'),
    JSON.stringify({ version: 1, deployments: { home: { url } } }),
  )
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const login = {
    secret: 'gatehouse_x',
    username: 'alice',
    session: 's',
    url,
    expiresAt: until,
    renewAt: until,
    notAfter: until,
  }
  const file = join(s.machine.configFolder, 'logins', 'home.json')
  await writeFile(file, JSON.stringify(login), { mode: 0o600 })
  await s.put('ssh', 'echo "OpenSSH_9.2p1" >&2')
  await s.put('code', vsCode('Visual Studio Code', '1.99.0', remoteSsh))
  expect(await s.doctor()).toMatchObject({ code: 0, stderr: '' })
  for (const [take, remedy] of [
    [() => rm(join(s.folder, 'ssh')), 'apt install openssh-client'],
    [() => s.put('code', vsCode('VSCodium', '1.99.0', remoteSsh)), 'code.visualstudio.com'],
    [() => rm(file), 'gatehouse login --deployment home'],
  ] as const) {
    await take()
    const { code } = await s.doctor()
    const { stderr } = await s.machine.run(['doctor'], { PATH: s.folder })
    expect([code, stderr]).toEqual([1, expect.stringContaining(remedy)])
    await s.put('ssh', 'echo "OpenSSH_9.2p1" >&2')
    await s.put('code', vsCode('Visual Studio Code', '1.99.0', remoteSsh))
  }
  server.closeAllConnections()
  server.close()
})
