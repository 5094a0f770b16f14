import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { InstanceEvent } from '#runtime/contract.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { isStill, readProcess } from '#runtime/processes/process-table.ts'
import { alice, command, createRuntimeWorld, eventually, helloProgram, planOf, runs, shell } from './world.ts'

const port = 8888
const readIf = (path: string) => readFile(path, 'utf8').catch(() => undefined)

describe('a program as an instance', () => {
  test('is started in its own folder and answers on its socket', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(helloProgram(port), { ports: [port] }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'running')
    const endpoint = instance.endpoints.get(port)
    if (endpoint?.kind !== 'unix') throw new Error('no socket')
    const socket = await eventually(() => dialEndpoint(endpoint, AbortSignal.timeout(5000)).catch(() => undefined))
    socket.end('GET / HTTP/1.0\r\n\r\n')
    const [first] = await once(socket, 'data')
    expect(String(first)).toContain('hello')
    expect((await stat(join(world.home, 'workspaces/alice/app'))).mode & 0o777).toBe(0o700)
  })

  test('its socket is closed to others, and so is the folder that holds it', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(helloProgram(port), { ports: [port] }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'running')
    const endpoint = instance.endpoints.get(port)
    if (endpoint?.kind !== 'unix') throw new Error('no socket')
    const mode = await eventually(async () => {
      const found = await stat(endpoint.path).catch(() => undefined)
      return found && (found.mode & 0o777) === 0o600 ? found.mode & 0o777 : undefined
    })
    expect(mode).toBe(0o600)
    expect((await stat(join(endpoint.path, '..'))).mode & 0o777).toBe(0o700)
    expect(Buffer.byteLength(endpoint.path)).toBeLessThanOrEqual(100)
  })

  test('gets a short socket path also where the folder of Gatehouse lies deep', async () => {
    const home = join(await mkdtemp(join(tmpdir(), 'gh-')), 'a-folder-with-a-long-name-'.repeat(5))
    await using world = await createRuntimeWorld({ home })
    await world.runtime.apply(planOf(helloProgram(port), { ports: [port] }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'running')
    const endpoint = instance.endpoints.get(port)
    if (endpoint?.kind !== 'unix') throw new Error('no socket')
    expect(Buffer.byteLength(endpoint.path)).toBeLessThanOrEqual(100)
    const socket = await eventually(() => dialEndpoint(endpoint, AbortSignal.timeout(5000)).catch(() => undefined))
    socket.destroy()
    await world.end()
    await expect(stat(join(endpoint.path, '../..'))).rejects.toThrow('ENOENT')
    await rm(join(home, '..'), { recursive: true })
  })

  test('sees no variable of Gatehouse but those it is given', async () => {
    await using world = await createRuntimeWorld({
      baseEnv: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', SECRET_OF_PARENT: 'x', TERM: 'xterm', NODE_OPTIONS: '--x' },
    })
    const env = { GREETING: `hi \${K8S_POD_NAME}`, PATH: `\${HOME}/bin:\${PATH}`, HOME: '/nowhere' }
    await world.runtime.apply(planOf(shell('/usr/bin/env > env; pwd > pwd; exec sleep 60'), { env }))
    const folder = join(world.home, 'workspaces/alice/app')
    expect(await eventually(() => readIf(join(folder, 'pwd')))).toBe(`${folder}\n`)
    const lines = (await readFile(join(folder, 'env'), 'utf8')).trim().split('\n')
    const seen = new Map(
      lines.map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
    // The shell adds the first three by itself.
    const names = [...seen.keys()].filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))
    expect(names.sort()).toEqual(
      ['GATEHOUSE_INSTANCE', 'GREETING', 'HOME', 'K8S_NODE_NAME', 'K8S_POD_ID', 'K8S_POD_NAME', 'K8S_POD_NAMESPACE']
        .concat(['LANG', 'PATH', 'TMPDIR', 'XDG_RUNTIME_DIR'])
        .sort(),
    )
    expect(seen.get('GREETING')).toBe('hi app')
    expect(seen.get('HOME')).toBe(folder)
    expect(seen.get('PATH')).toBe(`${folder}/bin:/usr/bin:/bin`)
  })

  test('that asks for a TCP port gets one on loopback, and it is said at start', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(shell(`echo \${TCP_PORT_8888} > port; exec sleep 60`), { ports: [port] }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'running')
    const endpoint = instance.endpoints.get(port)
    expect(endpoint).toMatchObject({ kind: 'tcp', host: '127.0.0.1' })
    const written = await eventually(() =>
      readIf(join(world.home, 'workspaces/alice/app/port')).then((text) => text || undefined),
    )
    expect(endpoint).toMatchObject({ port: Number(written) })
    expect(instance.steps.at(-1)?.message).toContain('loopback')
    expect(world.logged.join('')).toContain('insecureLoopback')
  })

  test('that is not on this machine is a clear state, not an error', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf({ kind: 'missing', name: 'code-server', install: 'Install it so.' }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'failed')
    expect(instance).toMatchObject({ reason: 'NotInstalled', message: 'Install it so.' })
    await world.runtime.remove(alice)
    await world.gone(instance)
  })

  test('whose variables go round in a circle fails with the reason and is not tried again', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(shell('exec sleep 60'), { env: { A: `\${B}`, B: `\${A}` } }))
    const instance = await world.instance(alice, ({ phase }) => phase === 'failed')
    expect(instance).toMatchObject({ reason: 'InvalidPlan', message: expect.stringContaining('made of itself') })
  })
})

describe('a plan', () => {
  test('that is already carried out starts nothing; a changed one replaces the instance', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(shell('exec sleep 60')))
    const first = await world.instance(alice, ({ phase }) => phase === 'running')
    await world.runtime.apply(planOf(shell('exec sleep 61')))
    await world.runtime.apply(planOf(shell('exec sleep 62'), { fingerprint: '2' }))
    await world.gone(first)
    const second = await world.instance(alice, (it) => it.phase === 'running' && it.instanceUid !== first.instanceUid)
    const uids = new Set(
      world.events.flatMap((event) => (event.type === 'applied' ? [event.instance.instanceUid] : [])),
    )
    expect(uids).toEqual(new Set([first.instanceUid, second.instanceUid]))
  })

  test('every follower is told of all instances first, and of what happens then', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(shell('exec sleep 60')))
    const running = await world.instance(alice, ({ phase }) => phase === 'running')
    const late: InstanceEvent[] = []
    const stop = new AbortController()
    for await (const event of world.runtime.instances(stop.signal)) {
      late.push(event)
      if (event.type === 'synced') await world.runtime.remove(alice)
      if (event.type === 'gone') stop.abort()
    }
    expect(late[0]).toMatchObject({
      type: 'synced',
      instances: [{ instanceUid: running.instanceUid, phase: 'running' }],
    })
    expect(late.at(-1)).toMatchObject({ type: 'gone', instanceUid: running.instanceUid })
  })
})

describe('removing', () => {
  test('ends the whole process group, also a grandchild that ignores SIGTERM', async () => {
    await using world = await createRuntimeWorld({ stopGrace: 300 })
    const stubborn = `trap '' TERM; echo $$ > grandchild; while :; do sleep 1; done`
    await world.runtime.apply(planOf(shell(`(sh -c "${stubborn.replaceAll('$$', '\\$\\$')}" &) ; exec sleep 60`)))
    const folder = join(world.home, 'workspaces/alice/app')
    const pid = Number(await eventually(() => readIf(join(folder, 'grandchild')).then((text) => text || undefined)))
    expect(runs(pid)).toBe(true)
    await world.runtime.remove(alice)
    expect(readProcess(pid)?.isEnded ?? true).toBe(true)
  })

  test('ends also what has left the process group', async () => {
    await using world = await createRuntimeWorld({ stopGrace: 300 })
    await world.runtime.apply(planOf(shell(`setsid sh -c 'echo $$ > escaped; exec sleep 60' & exec sleep 60`)))
    const path = join(world.home, 'workspaces/alice/app/escaped')
    const pid = Number(await eventually(() => readIf(path).then((text) => text || undefined)))
    const group = readProcess(pid)?.group
    expect(group).toBe(pid)
    await world.runtime.remove(alice)
    expect(readProcess(pid)?.isEnded ?? true).toBe(true)
  })

  test('lets a program that needs a moment finish in good order', async () => {
    await using world = await createRuntimeWorld({ stopGrace: 5000 })
    await world.runtime.apply(
      planOf(shell(`trap 'sleep 0.2; echo saved > saved; exit 0' TERM; echo > up; while :; do sleep 0.05; done`)),
    )
    const folder = join(world.home, 'workspaces/alice/app')
    await eventually(() => readIf(join(folder, 'up')))
    await world.runtime.remove(alice)
    expect(await readFile(join(folder, 'saved'), 'utf8')).toBe('saved\n')
  })

  test('the end of Gatehouse ends every instance and leaves no socket behind', async () => {
    await using world = await createRuntimeWorld()
    await world.runtime.apply(planOf(shell('echo $$ > pid; exec sleep 60')))
    const pid = Number(
      await eventually(() => readIf(join(world.home, 'workspaces/alice/app/pid')).then((text) => text || undefined)),
    )
    const identity = readProcess(pid)
    if (!identity) throw new Error('it does not run')
    await world.end()
    expect(isStill(identity)).toBe(false)
    expect(await readdir(join(world.home, 'run'))).toEqual([])
    await expect(world.runtime.apply(planOf(command('sleep', '60')))).rejects.toMatchObject({ code: 'runtime_failed' })
  })
})
