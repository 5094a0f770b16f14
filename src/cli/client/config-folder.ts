/** Where the command line keeps what it knows: deployments, logins, keys. Pure, since the rules of other systems are tested here too. */
import { posix, win32 } from 'node:path'
import type { PersonIo } from './person-io.ts'

/** Names another folder. */
export const configFolderVariable = 'GATEHOUSE_CLI_CONFIG'

/**
 * - Linux and others: `$XDG_CONFIG_HOME/gatehouse`, else `~/.config/gatehouse` (XDG Base Directory 0.8: relative values count as unset)
 * - macOS: `~/Library/Application Support/gatehouse`
 * - Windows: `%APPDATA%\gatehouse`
 */
export function configFolder({ env, platform, homeFolder }: Pick<PersonIo, 'env' | 'platform' | 'homeFolder'>): string {
  const path = pathOf(platform)
  const wished = absolute(env[configFolderVariable], path)
  if (wished !== undefined) return wished
  switch (platform) {
    case 'win32':
      return path.join(absolute(env.APPDATA, path) ?? path.join(homeFolder, 'AppData', 'Roaming'), 'gatehouse')
    case 'darwin':
      return path.join(homeFolder, 'Library', 'Application Support', 'gatehouse')
    default:
      return path.join(absolute(env.XDG_CONFIG_HOME, path) ?? path.join(homeFolder, '.config'), 'gatehouse')
  }
}

/** How paths are written on that system. */
export function pathOf(platform: string): typeof posix {
  return platform === 'win32' ? win32 : posix
}

function absolute(value: string | undefined, path: typeof posix): string | undefined {
  return value !== undefined && path.isAbsolute(value) ? value : undefined
}
