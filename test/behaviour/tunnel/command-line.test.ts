/** `gatehouse tunnel` and `gatehouse port-forward`, as processes of a person's machine. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PersonMachine, personMachine } from '#test/support/person-command.ts'
import { type TunnelScene, tunnelScene } from '#test/support/tunnel-scene.ts'

let scene: TunnelScene
let machine: PersonMachine

beforeAll(async () => {
  scene = await tunnelScene()
  machine = await personMachine()
  const login = await machine.login(await scene.world.as('alice'), [scene.world.origin])
  expect(login).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await machine?.[Symbol.asyncDispose]()
  await scene?.[Symbol.asyncDispose]()
})

test('tunnel gives out what comes out of the workspace and nothing else, and ends when both sides have', async () => {
  await using command = machine.begin(['tunnel', 'team/nb'])
  command.type('SSH-2.0-x\r\n')
  await scene.world.until(() => command.stdout() === 'SSH-2.0-x\r\n', 'it came back')
  command.end()
  expect(await command.ended).toEqual({ code: 0, stdout: 'SSH-2.0-x\r\n', stderr: '' })
  await scene.world.until(() => scene.app.connections.size === 0, 'nothing is left open')
})

test('tunnel says on standard error why it is refused, or was closed, with an exit code of its own', async () => {
  const port = ['tunnel', 'team/nb', '--type', 'port-forward', '--port', '9999']
  const [none, nowhere, nonsense] = await Promise.all([
    machine.run(['tunnel', 'team/none']),
    machine.run(port),
    machine.run(['tunnel', 'team/nb', '--type', 'web-ui']),
  ])
  expect(none).toMatchObject({ code: 4, stdout: '' })
  expect(none.stderr).toContain('There is no such workspace, or it is not shared with you.')
  expect(nowhere).toMatchObject({ code: 4, stdout: '' })
  expect(nonsense).toMatchObject({ code: 2, stdout: '' })
  await using command = machine.begin(['tunnel', 'team/nb'])
  await scene.world.until(() => scene.app.connections.size === 1, 'it is open')
  for (const group of scene.world.open.streams.all()) group.endLasting({ code: 1012, reason: 'gateway restarting' })
  const closed = await command.ended
  expect(closed).toMatchObject({ code: 1, stdout: '' })
  expect(closed.stderr).toContain('the gateway restarts, and what was under way is gone (gateway restarting)')
})

test('port-forward makes a port of this machine a port of the workspace, until Ctrl-C', async () => {
  await using command = machine.begin(['port-forward', 'team/nb', ':9000', '0:9999'])
  const ports = () =>
    [...command.stdout().matchAll(/^127\.0\.0\.1:(\d+) is port \d+ of team\/nb$/gm)].map(([, port]) => Number(port))
  await scene.world.until(() => ports().length === 2, 'it says where')
  const [port = 0, undeclared = 0] = ports()
  const sockets = [connect({ port, host: '127.0.0.1' }), connect({ port, host: '127.0.0.1' })]
  for (const [index, socket] of sockets.entries()) {
    let answer = ''
    socket.end(`hello ${index}`)
    for await (const bytes of socket) answer += bytes
    expect(answer).toBe(`hello ${index}`)
  }
  const refused = connect({ port: undeclared, host: '127.0.0.1' })
  refused.on('error', () => undefined)
  await new Promise((resolve) => refused.once('close', resolve))
  await scene.world.until(() => command.stderr().includes('There is nothing at this address.'), 'it says why')
  command.kill('SIGINT')
  expect(await command.ended).toMatchObject({ code: 0 })
})
