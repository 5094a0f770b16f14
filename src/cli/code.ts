/** `gatehouse code`: a workspace in a desktop IDE, by an address that the system hands to it. The IDE runs ssh itself, with what `gatehouse config-ssh` has written. */
import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault, usageFault } from '#cli/client/cli-fault.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson } from '#cli/client/printing.ts'
import { readPrivateFile } from '#cli/client/private-file.ts'
import { workspaceOptions } from '#cli/client/workspace-argument.ts'
import { machineProbes } from '#cli/doctor/machine-probes.ts'
import { checkFirst, demand } from '#cli/ssh/checks.ts'
import { type ConfigBlock, hasHostsOf } from '#cli/ssh/config-text.ts'
import { checkImage } from '#cli/ssh/image-check.ts'
import { hasInclude, includeLine } from '#cli/ssh/include-line.ts'
import { ownedConfig, userConfig } from '#cli/ssh/places.ts'
import { findTarget } from '#cli/ssh/target.ts'
import { readUserConfig } from '#cli/ssh/user-config.ts'
import { type Folder, type Ide, ides, parseFolder } from '#surface/ide-link.ts'
import { wake } from './start.ts'
import { parseWaitLimit, waitOptions } from './wait-options.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  ...formatOptions,
  timeout: waitOptions.timeout,
  ide: { type: 'string', default: 'vscode' },
  print: { type: 'boolean', default: false },
  'no-checks': { type: 'boolean', default: false },
} as const

export async function code(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace', 'folder'] })
  const format = parseFormat(values.output)
  const limit = parseWaitLimit(values.timeout)
  const ide = parseIde(values.ide)
  const [name, text] = positionals
  const folder = text === undefined ? undefined : demandFolder(text)
  const target = await findTarget(io, name, values)
  await demandConfig(io, target.block)
  if (!values['no-checks']) await checkFirst(io, target.client.deployment, { needsVsCode: ide.isVsCode })
  await wake(target.client, io, target.ref, limit)
  // Without a folder it is the one that a shell begins in, which only a shell can tell.
  const looks = !values['no-checks'] || folder === undefined
  const image = looks ? await checkImage(io, machineProbes(io), target, ide.connectionType) : undefined
  if (image && !values['no-checks']) demand(io, image.findings, () => true)
  const { alias, block } = target
  const link = ide.link({ alias, user: block.user, path: folder ?? demandFolder(image?.home ?? '/') })
  if (format === 'json') printJson(io.stdout, { ide: values.ide, alias, link })
  else io.stdout.write(`${link}\n`)
  if (!values.print && !(await io.openBrowser(link)))
    io.stderr.write('Nothing here opens such addresses: open it where the IDE is.\n')
  return 0
}

function parseIde(text: string): Ide {
  const ide = ides.get(text)
  if (ide) return ide
  throw usageFault(`--ide is one of ${[...ides.keys()].join(', ')}, not '${text}'`)
}

/** Throws `usage`. */
function demandFolder(text: string): Folder {
  const folder = parseFolder(text)
  if (folder) return folder
  throw usageFault(`the folder is an absolute path of the workspace, without '.' or '..', and not '${text}'`)
}

/** The IDE reads the person's own configuration of ssh, and knows no workspace without our line in it and the hosts of this deployment behind that. */
async function demandConfig(io: PersonIo, block: ConfigBlock): Promise<void> {
  const path = userConfig(io)
  const owned = ownedConfig(io)
  const hint = 'Run "gatehouse config-ssh", once for each gateway.'
  if (!hasInclude((await readUserConfig(path)) ?? '', includeLine(owned, io.platform)))
    throw new CliFault('ssh_not_configured', `${path} does not include what ssh has to know of workspaces`, { hint })
  const text = await readPrivateFile(owned, { platform: io.platform, secret: false })
  if (text !== undefined && hasHostsOf(text, block)) return
  throw new CliFault('ssh_not_configured', `${owned} has no workspaces of '${block.name}'`, { hint })
}
