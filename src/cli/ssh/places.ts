/** Where the command line keeps what ssh reads: below the config folder, one folder a deployment. Pure. */
import { configFolder, pathOf } from '#cli/client/config-folder.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'

type Machine = Pick<PersonIo, 'env' | 'platform' | 'homeFolder'>

/** Of one deployment. All of it can be made again. */
export interface SshPlaces {
  readonly folder: string
  /** An Ed25519 key of this machine, for this deployment alone. */
  readonly key: string
  readonly publicKey: string
  readonly knownHosts: string
  /** For commands that need no `config-ssh`. */
  readonly config: string
  /** With `%h` for the alias: what ssh makes of it is {@link SshPlaces.certificate}. */
  readonly certificatePattern: string
  certificate(alias: string): string
  /** Whoever makes the key, or the certificate of an alias, holds it. */
  lock(of: 'key' | { readonly alias: string }): string
}

export function placesOf(machine: Machine, { name }: Pick<Deployment, 'name'>): SshPlaces {
  const { join } = pathOf(machine.platform)
  const folder = join(sshFolder(machine), name)
  const certificate = (alias: string) => join(folder, `${alias}-cert.pub`)
  return {
    folder,
    key: join(folder, 'id_ed25519'),
    publicKey: join(folder, 'id_ed25519.pub'),
    knownHosts: join(folder, 'known_hosts'),
    config: join(folder, 'config'),
    certificatePattern: certificate('%h'),
    certificate,
    lock: (of) => join(folder, of === 'key' ? 'key.lock' : `${of.alias}.lock`),
  }
}

function sshFolder(machine: Machine): string {
  return pathOf(machine.platform).join(configFolder(machine), 'ssh')
}

/** The whole file that `~/.ssh/config` includes. Beside it are folders by the names of deployments, which have no `_`. */
export function ownedConfig(machine: Machine): string {
  return pathOf(machine.platform).join(sshFolder(machine), 'ssh_config')
}

export function userConfig({ platform, homeFolder }: Pick<PersonIo, 'platform' | 'homeFolder'>): string {
  return pathOf(platform).join(homeFolder, '.ssh', 'config')
}
