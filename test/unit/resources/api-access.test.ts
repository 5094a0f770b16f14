import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { inClusterAccess, kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

async function podWorld(host = '10.96.0.1') {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-account-'))
  const clock = fakeClock()
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  await write('token', 'first\n')
  await write('ca.crt', 'an authority')
  const access = inClusterAccess({ host, port: '443', folder, clock })
  return {
    ...{ access, clock, write },
    remove: (name: string) => unlink(join(folder, name)),
    token: async () => (await access.current()).headers().authorization,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

describe('in a pod', () => {
  test.each([
    ['10.96.0.1', 'https://10.96.0.1:443'],
    ['fd00::1', 'https://[fd00::1]:443'],
  ])('the server at %s is %s, with the account of the pod', async (host, origin) => {
    await using world = await podWorld(host)
    const connection = await world.access.current()
    expect(connection).toMatchObject({ origin, prefix: '', tls: { ca: 'an authority' } })
    expect(connection.headers()).toEqual({ authorization: 'Bearer first' })
  })

  test('a token that is replaced counts within 10 s', async () => {
    await using world = await podWorld()
    expect(await world.token()).toBe('Bearer first')
    await world.write('token', 'second')
    await world.clock.advance(9_999)
    expect(await world.token()).toBe('Bearer first')
    await world.clock.advance(1)
    expect(await world.token()).toBe('Bearer second')
  })

  test('one that the server has refused is read again at once', async () => {
    await using world = await podWorld()
    await world.token()
    await world.write('token', 'second')
    world.access.renew()
    expect(await world.token()).toBe('Bearer second')
  })

  test('the connection is the same as long as the authority is', async () => {
    await using world = await podWorld()
    const { tls } = await world.access.current()
    await world.write('token', 'second')
    await world.clock.advance(10_000)
    expect((await world.access.current()).tls).toBe(tls)
    await world.write('ca.crt', 'another one')
    await world.clock.advance(10_000)
    expect((await world.access.current()).tls).toEqual({ ca: 'another one' })
  })

  test('files that are away for a moment take nothing from what was read', async () => {
    await using world = await podWorld()
    await world.token()
    await world.remove('token')
    await world.clock.advance(10_000)
    expect(await world.token()).toBe('Bearer first')
    world.access.renew()
    await expect(world.token()).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  test('no token is to be seen in a connection that is printed', async () => {
    await using world = await podWorld()
    expect(inspect(await world.access.current(), { depth: null })).not.toContain('first')
  })
})

describe('a kubeconfig', () => {
  const open = async (cluster: object, user: object = { token: 'one' }) => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-kubeconfig-'))
    const file = join(folder, 'config')
    const config = (one: object) =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster }],
        users: [{ name: 'u', user: one }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      })
    await writeFile(file, config(user))
    const clock = fakeClock()
    return {
      ...{ clock, folder, access: kubeconfigAccess({ file, clock }) },
      change: (one: object) => writeFile(file, config(one)),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    }
  }
  const ca = Buffer.from('an authority').toString('base64')

  test('names server, authority and token', async () => {
    await using world = await open({
      server: 'https://api.example.test:6443/k8s/one/',
      'certificate-authority-data': ca,
    })
    const connection = await world.access.current()
    expect(connection).toMatchObject({
      origin: 'https://api.example.test:6443',
      prefix: '/k8s/one',
      tls: { ca: 'an authority' },
    })
    expect(connection.headers()).toEqual({ Authorization: 'Bearer one' })
  })

  test('that is changed counts within 10 s', async () => {
    await using world = await open({ server: 'https://api.example.test' })
    await world.access.current()
    await world.change({ token: 'two' })
    await world.clock.advance(10_000)
    expect((await world.access.current()).headers()).toEqual({ Authorization: 'Bearer two' })
  })

  test('may name a program that gives the token', async () => {
    const said = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'given' } }
    const exec = {
      apiVersion: said.apiVersion,
      command: 'echo',
      args: [JSON.stringify(said)],
      interactiveMode: 'Never',
    }
    await using world = await open({ server: 'https://api.example.test' }, { exec })
    expect((await world.access.current()).headers()).toEqual({ Authorization: 'Bearer given' })
  })

  test.each([
    ['speaks plain HTTP', { server: 'http://api.example.test' }],
    ['does not verify certificates', { server: 'https://api.example.test', 'insecure-skip-tls-verify': true }],
    ['goes through a proxy', { server: 'https://api.example.test', 'proxy-url': 'http://proxy.example.test' }],
  ])('that %s is refused', async (_, cluster) => {
    await using world = await open(cluster)
    await expect(world.access.current()).rejects.toMatchObject({ code: 'invalid_settings' })
  })
})
