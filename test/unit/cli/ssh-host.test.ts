/** The command beside sshd, over the hours: what it asks for, and what it leaves alone. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isCliFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { sshHost } from '#cli/ssh-host.ts'
import type { SshHostCertificateView } from '#surface/ssh-messages.ts'
import { paths } from '#surface/urls.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

const minute = 60_000

function given(serial: number): SshHostCertificateView {
  const trust = { deployment: 'test', hosts: '*.test.gatehouse', user: 'workspace', knownHosts: [] }
  return {
    certificate: `ssh-ed25519-cert-v01@openssh.com AAAA${serial}`,
    ...{ alias: 'nb.team.test.gatehouse', principals: ['ws:team/nb'], validUntil: '2026-01-01T01:00:00Z' },
    trust: { ...trust, userAuthorities: ['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two'] },
  }
}

/** A gateway that answers as it is told. */
async function scene() {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-host-'))
  const asked: { readonly path: string | undefined; readonly token: string | undefined; readonly body: string }[] = []
  const answers: { next: (count: number) => { status: number; body: unknown } } = {
    next: (count) => ({ status: 200, body: given(count) }),
  }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.once('end', () => {
      asked.push({ path: request.url, token: request.headers.authorization, body })
      const answer = answers.next(asked.length)
      const type = answer.status === 200 ? 'application/json' : 'application/problem+json'
      response.writeHead(answer.status, { 'Content-Type': type }).end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  const clock = fakeClock()
  const ending = new AbortController()
  const told: string[] = []
  const unused = () => {
    throw new Error('this is nothing that it needs')
  }
  const io: PersonIo = {
    ...{ stdout: { write: unused }, stderr: { write: (text) => void told.push(text) } },
    ...{ env: {}, platform: 'linux', homeFolder: '/nowhere', machine: 'nb-0', cwd: unused, program: unused },
    ...{ clock, signal: ending.signal, readLine: unused, pipe: unused, openBrowser: unused },
  }
  const reloads: number[] = []
  const in_ = (name: string) => join(folder, name)
  await writeFile(in_('token'), 'first-token\n')
  const files = ['--folder', join(folder, 'ssh'), '--token-file', in_('token'), '--pid-file', in_('pid')]
  const args = ['--gateway', `http://127.0.0.1:${port}`, ...files]
  return {
    ...{ folder, asked, answers, clock, told, reloads, in_ },
    read: (name: string) => readFile(join(folder, 'ssh', name), 'utf8'),
    run: (...more: string[]) => sshHost([...args, ...more], io, { reload: (pid) => void reloads.push(pid) }),
    runOther: (other: readonly string[]) => sshHost(other, io),
    /** Until so many were asked for, and what came of the last is done. */
    async asks(count: number, span: number) {
      await clock.advance(span)
      await expect.poll(() => asked.length).toBe(count)
      await expect
        .poll(async () => (await readdir(join(folder, 'ssh'))).some((name) => /\.[0-9a-f]{8}$/.test(name)))
        .toBe(false)
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

test('it asks every ten minutes with the token as it is then and one key of the pod’s own; what fails is tried again, and what is there stays', async () => {
  await using host = await scene()
  const running = host.run()
  await host.asks(1, 0)
  await expect.poll(() => host.read('host_key-cert.pub')).toBe('ssh-ed25519-cert-v01@openssh.com AAAA1\n')
  expect(await host.read('user_authorities')).toBe('ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n')
  expect(await host.read('principals')).toBe('ws:team/nb\n')
  expect(await host.read('revoked_keys')).toBe('')
  await writeFile(join(host.folder, 'ssh', 'revoked_keys'), 'ssh-ed25519 CCCC lost\n')
  await writeFile(host.in_('token'), 'second-token\n')
  host.answers.next = () => ({ status: 503, body: { title: 'Not now.', code: 'store_unavailable' } })
  await host.asks(2, 10 * minute)
  await expect.poll(() => host.told).toEqual(['gatehouse ssh-host: Not now.; it is tried again\n'])
  host.answers.next = () => ({ status: 200, body: given(3) })
  await host.asks(3, 3_000)
  await expect.poll(() => host.read('host_key-cert.pub')).toBe('ssh-ed25519-cert-v01@openssh.com AAAA3\n')
  expect(await host.read('revoked_keys')).toBe('ssh-ed25519 CCCC lost\n')
  const key = JSON.stringify({ publicKey: (await host.read('host_key.pub')).trim() })
  expect(host.asked).toEqual([
    { path: paths.sshHostCertificate, token: 'Bearer first-token', body: key },
    { path: paths.sshHostCertificate, token: 'Bearer second-token', body: key },
    { path: paths.sshHostCertificate, token: 'Bearer second-token', body: key },
  ])
  expect(host.told.join('')).not.toContain('token')
  await host[Symbol.asyncDispose]()
  expect(await running).toBe(0)
})

test('a number in the file that is no sshd’s is left alone, and lines within a line are written nowhere', async () => {
  await using host = await scene()
  await writeFile(host.in_('pid'), `${process.pid}\n`)
  expect(await host.run('--once')).toBe(0)
  expect(host.reloads).toEqual([])
  for (const odd of [
    { ...given(2), principals: ['ws:team/nb\nws:team/other'] },
    { ...given(2), principals: [] },
    { ...given(2), trust: { ...given(2).trust, userAuthorities: ['ssh-ed25519 AAAA\nssh-ed25519 EVIL'] } },
    { ...given(2), certificate: 'one\ntwo' },
    { certificate: 7 },
  ]) {
    host.answers.next = () => ({ status: 200, body: odd })
    const fault = await host.run('--once').catch((error: unknown) => error)
    expect(isCliFault(fault, 'no_gateway')).toBe(true)
  }
  expect(await host.read('host_key-cert.pub')).toContain('AAAA1')
  expect(await host.read('principals')).toBe('ws:team/nb\n')
})

test.each([
  [[]],
  [['--gateway', 'http://ws.example.com']],
  [['--gateway', 'https://ws.example.com', '--connect', 'here']],
])('%j is not understood: a token goes nowhere in the clear', async (args) => {
  await using host = await scene()
  const fault = await host.runOther(args).catch((error: unknown) => error)
  expect(isCliFault(fault, 'usage')).toBe(true)
  expect(host.asked).toEqual([])
})
