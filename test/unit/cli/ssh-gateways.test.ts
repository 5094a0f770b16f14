/** Several gateways on one machine: what one of them says, or does not say, takes nothing from another, and what is kept for ssh ends with its login. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { clientOf } from '#cli/client/client.ts'
import { type Deployment, readDeployments, writeDeployments } from '#cli/client/deployments.ts'
import { type Login, readLogin, removeLogin, writeLogin } from '#cli/client/logins.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { withDeployment } from '#cli/login.ts'
import { personMain } from '#cli/person.ts'
import { checkImage } from '#cli/ssh/image-check.ts'
import { ownedConfig, placesOf } from '#cli/ssh/places.ts'
import { systemClock } from '#lib/clock.ts'
import { isDnsLabel } from '#lib/dns-name.ts'
import { Secret } from '#settings/secret.ts'
import { newKey } from '#ssh/private-key.ts'
import { problemMediaType } from '#surface/problem.ts'
import { api, paths } from '#surface/urls.ts'
import { acceptTunnel } from '#tunnel/endpoint.ts'

const key = newKey('of a test').publicKey.split(' ').slice(0, 2).join(' ')

/** What a gateway says of itself for ssh. */
const called = (deployment: string) => ({
  ...{ deployment, user: 'workspace' },
  knownHosts: [`@cert-authority *.${deployment}.gatehouse ${key}`],
})

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** A gateway that answers as it is told, and lets in by some types of connection alone. */
async function gateway(answer: (path: string) => Answer, types: readonly string[] = []) {
  const server = createServer((request, response) => {
    const { status, body } = answer(`${request.method} ${request.url}`)
    const type = status < 400 ? 'application/json' : problemMediaType
    response.writeHead(status, { 'Content-Type': type }).end(JSON.stringify(body))
  })
  const upgraded: Duplex[] = []
  server.on('upgrade', (request, socket, head) => {
    const type = new URL(request.url ?? '', 'http://x').searchParams.get('type') ?? ''
    const refusal = JSON.stringify({ title: 'Not yours.', code: 'forbidden' })
    const fields = `Content-Type: ${problemMediaType}\r\nConnection: close`
    socket.on('error', () => undefined)
    upgraded.push(socket)
    if (!types.includes(type)) socket.end(`HTTP/1.1 403 Forbidden\r\n${fields}\r\n\r\n${refusal}`)
    else
      acceptTunnel({ request, socket, head, dialect: 'tunnel', instance: 'i', clock: systemClock })?.send(
        Buffer.from('SSH-2.0-x\r\n'),
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // It listens on TCP.
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A machine without any program. */
async function machine(...all: readonly Deployment[]) {
  const home = await mkdtemp(join(tmpdir(), 'gh-ssh-gateways-'))
  const said = { stdout: '', stderr: '' }
  const unused = () => {
    throw new Error('this is nothing that it needs')
  }
  const io: PersonIo = {
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    ...{ env: { PATH: join(home, 'none') }, platform: 'linux', homeFolder: home, machine: 'm', cwd: () => home },
    program: () => ['/usr/bin/node', '/opt/gatehouse.cjs'],
    ...{ clock: systemClock, signal: new AbortController().signal },
    ...{ readLine: async () => 'a-code', openBrowser: async () => false, pipe: unused },
  }
  await writeDeployments(io, { current: undefined, all })
  return {
    io,
    owned: () => readFile(ownedConfig(io), 'utf8').catch(() => ''),
    logIn: (deployment: Deployment) => writeLogin(io, deployment, loginAt(deployment)),
    async run(...args: readonly string[]) {
      Object.assign(said, { stdout: '', stderr: '' })
      return { code: await personMain(args, io), ...said }
    },
    [Symbol.asyncDispose]: () => rm(home, { recursive: true }),
  }
}

function loginAt({ url }: Deployment): Login {
  const later = Date.now() + 3_600_000
  const times = { expiresAt: later, renewAt: later, notAfter: later }
  return { ...{ secret: new Secret('gatehouse_x'), username: 'alice', session: 's', url }, ...times }
}

/** Of a URL that nothing answers at. */
const prod: Deployment = { name: 'prod', url: 'http://127.0.0.1:1', sshName: 'prod', sshUser: 'workspace' }
const mine: Deployment = { name: 'mine', url: 'http://127.0.0.1:1', sshName: 'mine', sshUser: 'workspace' }
const hosts = 'Host "*.prod.gatehouse"'

describe('config-ssh', () => {
  test('refuses two that call themselves the same, whether somebody is logged in there or not, until one is forgotten', async () => {
    await using evil = await gateway(() => ({ status: 200, body: called('prod') }))
    const other: Deployment = { name: 'other', url: evil.url }
    await using own = await machine(prod, other)
    await own.logIn(other)
    for (const args of [['config-ssh', '--dry-run'], ['config-ssh']]) {
      const refused = await own.run(...args)
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(refused.stderr).toContain("'prod' and 'other' both call themselves 'prod'")
    }
    // Only its word is known.
    await using half = await machine({ name: 'prod', url: prod.url, sshName: 'prod' }, other)
    await half.logIn(other)
    expect(await half.run('config-ssh')).toMatchObject({ code: 2 })
    // Nobody is logged in at either one.
    await removeLogin(own.io, other)
    expect(await own.run('config-ssh')).toMatchObject({ code: 2 })
    expect(await own.owned()).toBe('')
    expect(await own.run('logout', '--forget', '--deployment', 'other')).toMatchObject({ code: 0 })
    expect(await own.run('config-ssh')).toMatchObject({ code: 0 })
    expect(await own.owned()).toContain(`${hosts} `)
    expect(await own.owned()).toContain(' tunnel --deployment prod ')
    expect((await readDeployments(own.io)).all.map(({ name }) => name)).toEqual(['prod'])
  })

  test.each([
    [404, 'not_found'],
    [429, 'too_many_requests'],
    [500, 'internal'],
  ])('leaves a gateway that answers %i as it was, and goes on with the others', async (status, code) => {
    await using away = await gateway(() => ({ status, body: { title: 'No.', code } }))
    await using good = await gateway(() => ({ status: 200, body: called('mine') }))
    const [one, two] = [
      { ...prod, url: away.url },
      { ...mine, url: good.url },
    ]
    await using own = await machine(one, two)
    for (const deployment of [one, two]) await own.logIn(deployment)
    const done = await own.run('config-ssh')
    expect([done.code, done.stderr]).toEqual([0, expect.stringContaining(`prod stays as it was: No. (${code})`)])
    expect(await own.owned()).toContain(`${hosts} `)
    expect(await own.owned()).toContain('Host "*.mine.gatehouse" ')
  })

  test('says why there are no hosts, where no gateway says what ssh has to know', async () => {
    await using away = await gateway(() => ({ status: 404, body: { title: 'No.', code: 'not_found' } }))
    const deployment = { name: 'prod', url: away.url }
    await using own = await machine(deployment)
    await own.logIn(deployment)
    expect(await own.run('config-ssh')).toMatchObject({ code: 4, stderr: expect.stringContaining('(not_found)') })
  })
})

test('a login leaves what its gateway is called, as long as it is the same gateway, and config-ssh its hosts when that login is over', async () => {
  const later = new Date(Date.now() + 3_600_000).toISOString()
  const token = { secret: 'gatehouse_y', username: 'alice', session: 't', expiresAt: later, notAfter: later }
  let isAway = false
  await using good = await gateway((path) => {
    if (path === `POST ${paths.cliToken}`) return { status: 200, body: token }
    return isAway ? { status: 503, body: { title: 'No.', code: 'no' } } : { status: 200, body: called('prod') }
  })
  const one = { ...prod, url: good.url }
  await using own = await machine(one, mine)
  expect(await own.run('login', good.url, '--no-browser')).toMatchObject({ code: 0 })
  expect(await readDeployments(own.io)).toEqual({ current: 'prod', all: [mine, one] })
  isAway = true
  expect((await own.run('config-ssh')).stderr).toContain('prod stays as it was')
  expect(await own.owned()).toContain(`${hosts} `)
  await removeLogin(own.io, one)
  expect(await own.run('config-ssh')).toMatchObject({ code: 0 })
  expect(await own.owned()).toContain(`${hosts} `)

  const moved = { name: 'prod', url: 'https://elsewhere.example.com' }
  expect(withDeployment({ current: undefined, all: [prod] }, { ...prod, ...moved }).all).toEqual([moved])
})

describe('logout', () => {
  test('of a deployment that is called config takes the hosts of no other one: no name is that of the file', async () => {
    const odd = { ...mine, name: 'config' }
    await using own = await machine(odd, prod)
    expect(await own.run('config-ssh')).toMatchObject({ code: 0 })
    expect(await own.run('logout', '--deployment', 'config')).toMatchObject({ code: 0 })
    expect(await own.owned()).toContain(`${hosts} `)
    expect(isDnsLabel(basename(ownedConfig(own.io)))).toBe(false)
  })

  test('ends the login at the gateway while its secret is still here, and says what it can’t remove', async () => {
    const known: boolean[] = []
    const file = () => join(own.io.homeFolder, '.config/gatehouse/logins/prod.json')
    await using good = await gateway((path) => {
      if (path === `DELETE ${api.session('s')}`) known.push(existsSync(file()))
      return { status: 200, body: {} }
    })
    const one = { ...prod, url: good.url }
    await using own = await machine(one)
    await own.logIn(one)
    // A file where the folder of its folder should be: nothing can be removed in it.
    await writeFile(join(own.io.homeFolder, '.config/gatehouse/ssh'), '')
    const out = await own.run('logout')
    expect([out.code, known, await readLogin(own.io, one)]).toEqual([0, [true], undefined])
    expect(out.stderr).toContain(`${placesOf(own.io, one).folder} could not be removed`)
    expect(out.stderr).toContain('Logged out at prod')
  })
})

test('code opens no IDE before config-ssh has written the hosts of this very gateway', async () => {
  await using own = await machine(prod)
  await own.logIn(prod)
  const open = () => own.run('code', 'nb.team.prod.gatehouse', '--no-checks')
  expect((await open()).stderr).toContain('(ssh_not_configured)')
  expect(await own.run('config-ssh')).toMatchObject({ code: 0 })
  const text = await own.owned()
  const ofOthers = [
    text.replaceAll('.prod.gatehouse', '.mine.gatehouse'),
    text.replaceAll('--deployment prod ', '--deployment mine '),
  ]
  for (const other of ['# nothing\n', ...ofOthers]) {
    await writeFile(ownedConfig(own.io), other)
    const refused = await open()
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(
      /has no workspaces of 'prod' \(ssh_not_configured\)\nRun "gatehouse config-ssh", once for each/,
    )
  }
  await writeFile(ownedConfig(own.io), text)
  expect((await open()).stderr).toContain('(unreachable)')
})

test.each([
  ['vscode-remote', 'ssh-remote'],
  ['ssh-remote', 'vscode-remote'],
])('a share for %s alone is not the image’s fault: it is said that %s is missing', async (granted, missing) => {
  await using only = await gateway(() => ({ status: 404, body: {} }), [granted])
  await using own = await machine()
  const one = { ...prod, url: only.url }
  const client = clientOf(own.io, one, loginAt(one))
  const block = { name: 'prod', sshName: 'prod', user: 'workspace', places: placesOf(own.io, one) }
  const target = {
    client,
    ref: { namespace: 'team', name: 'nb' },
    alias: 'nb.team.prod.gatehouse',
    block,
    config: '/c',
  }
  const probes = { platform: 'linux', release: '', environment: {}, run: failing, read: failing }
  const { findings } = await checkImage(own.io, probes, target, 'vscode-remote')
  expect(findings).toMatchObject([{ verdict: 'missing', found: expect.stringContaining(`'${missing}' is refused`) }])
  expect(findings[0]?.remedy).toContain(missing)
  expect(findings[0]?.remedy).not.toContain('image')
})

async function failing(): Promise<undefined> {
  throw new Error('no shell is asked')
}
