/** An alias of SSH is of one deployment: the command line of somebody who works with several never takes it to another one's workspace of the same name. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Settings } from '#settings/settings.ts'
import { personMachine } from '#test/support/person-command.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'

const called =
  (deployment: string) =>
  (settings: Settings): Settings => ({ ...settings, ssh: { ...settings.ssh, deployment } })

test('tunnel opens an alias at the gateway that is called so, whichever is current, and nowhere when none is, several are, or --deployment says another', async () => {
  await using one = await tunnelScene({ settings: called('one') })
  await using two = await tunnelScene({ settings: called('two') })
  await using machine = await personMachine()
  for (const [name, { world }] of Object.entries({ here: one, there: two }))
    expect(await machine.login(await world.as('alice'), [world.origin, '--name', name])).toMatchObject({ code: 0 })

  await using command = machine.begin(['tunnel', 'nb.team.one.gatehouse'])
  command.type('SSH-2.0-x\r\n')
  await one.world.until(() => command.stdout() === 'SSH-2.0-x\r\n', 'it came back')
  command.end()
  expect(await command.ended).toMatchObject({ code: 0, stderr: '' })
  expect([one.app.accepted(), two.app.accepted()]).toEqual([1, 0])

  // What they are called is known from here on.
  const path = join(machine.configFolder, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8'))
  expect([config.deployments.here.sshName, config.deployments.there.sshName]).toEqual(['one', 'two'])
  const tunnel = (deployment: string, ...more: string[]) =>
    machine.run(['tunnel', `nb.team.${deployment}.gatehouse`, ...more])
  const [none, other] = await Promise.all([tunnel('three'), tunnel('one', '--deployment', 'there')])
  expect(none).toMatchObject({ code: 3, stdout: '' })
  expect(none.stderr).toContain("nobody is logged in at a gateway that is called 'three'")
  expect(other).toMatchObject({ code: 2, stdout: '' })
  expect(other.stderr).toContain("is not of the deployment 'there', which is called 'two' in aliases")
  config.deployments.there.sshName = 'one'
  await writeFile(path, JSON.stringify(config), { mode: 0o600 })
  const several = await tunnel('one')
  expect(several).toMatchObject({ code: 2, stdout: '' })
  expect(several.stderr).toContain('may be of here, there')
  expect([one.app.accepted(), two.app.accepted()]).toEqual([1, 0])
})
