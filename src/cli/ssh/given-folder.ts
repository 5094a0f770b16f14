/** Which config folder a command of ours in `ssh_config` means: whoever starts ssh by a click has none of the variables that named it. Pure. */

import { usageFault } from '#cli/client/cli-fault.ts'
import { configFolder, configFolderVariable, pathOf } from '#cli/client/config-folder.ts'
import type { PersonIo } from '#cli/client/person-io.ts'

/** To be said in the command; `undefined` where everybody finds it. */
export function folderToSay(io: Pick<PersonIo, 'env' | 'platform' | 'homeFolder'>): string | undefined {
  const { APPDATA } = io.env
  const usual = configFolder({ ...io, env: APPDATA === undefined ? {} : { APPDATA } })
  const own = configFolder(io)
  return own === usual ? undefined : own
}

/** Throws `usage`. */
export function inConfigFolder(io: PersonIo, folder: string | undefined): PersonIo {
  if (folder === undefined) return io
  if (!pathOf(io.platform).isAbsolute(folder)) throw usageFault('--config-folder is an absolute path')
  return { ...io, env: { ...io.env, [configFolderVariable]: folder } }
}
