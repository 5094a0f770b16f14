/** A workspace by its alias, as somebody has it who logged in and ran `gatehouse config-ssh`: the command line as it is published, Debian's ssh, and its sshd within. */
import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundleCommandLine } from '../../scripts/bundle.ts'
import { type PersonMachine, personMachine } from './person-command.ts'
import { tokenGiver } from './pod-token.ts'
import { createTestCa } from './test-ca.ts'
import { type TunnelScene, tunnelScene } from './tunnel-scene.ts'
import { type WorkspaceSshd, workspaceSshd } from './workspace-sshd.ts'

const run = promisify(execFile)

export interface AliasScene extends AsyncDisposable {
  readonly alias: string
  readonly scene: TunnelScene
  readonly within: WorkspaceSshd
  readonly machine: PersonMachine
  /** The person's own `~/.ssh/config`, for `-F`. */
  readonly config: string
  /** Of whoever starts ssh by a click. */
  readonly env: Readonly<Record<string, string>>
}

/** `programs`: those that a shell finds within. The certificate is there already. `node`: what runs the command line, if not this one. */
export async function aliasScene(
  sshd: string,
  programs: readonly string[],
  node: string = process.execPath,
): Promise<AliasScene> {
  await using opened = new AsyncDisposableStack()
  const alias = 'nb.team.prod.gatehouse'
  const within = opened.use(await workspaceSshd(sshd, programs))
  const ca = createTestCa(join(within.folder, 'ca'))
  const pem = await readFile(ca.caFile, 'utf8')
  const giver = await tokenGiver()
  const scene = opened.use(
    await tunnelScene({
      ...{ app: within.app, podTokens: giver.podTokens },
      tls: { domain: 'localhost', ...ca.issue(['localhost', '*.localhost']), ca: pem },
      settings: (settings) => ({ ...settings, ssh: { deployment: 'prod', user: userInfo().username } }),
    }),
  )
  await within.start(scene, giver, pem)
  const program = await bundleCommandLine(within.folder)
  const machine = opened.use(await personMachine({ program: [node, program] }))
  await mkdir(join(machine.home, '.ssh'), { mode: 0o700 })
  await machine.login(await scene.world.as('alice'), [scene.world.origin, '--name', 'prod', '--ca-file', ca.caFile])
  await machine.run(['config-ssh'])
  const config = join(machine.home, '.ssh', 'config')
  const env = { HOME: machine.home, PATH: '/usr/bin:/bin' }
  await run('ssh', ['-F', config, alias, 'true'], { env })
  const held = opened.move()
  return {
    ...{ alias, scene, within, machine, config, env },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}
