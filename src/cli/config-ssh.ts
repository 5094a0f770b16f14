/**
 * `gatehouse config-ssh`: makes workspaces hosts of ssh, by one file of ours and one line in the person's own `~/.ssh/config` that includes it. Nothing else there is
 * ever changed, and `--remove` takes back both.
 */
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { pickDeployment, readDeployments } from '#cli/client/deployments.ts'
import { takeLock } from '#cli/client/file-lock.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printTable } from '#cli/client/printing.ts'
import { readPrivateFile, writePrivateFile } from '#cli/client/private-file.ts'
import { machineProbes } from '#cli/doctor/machine-probes.ts'
import { allBlocks, textOf } from '#cli/ssh/blocks.ts'
import type { ConfigBlock } from '#cli/ssh/config-text.ts'
import { overruled } from '#cli/ssh/effective.ts'
import { hasInclude, includeLine, withInclude, withoutInclude } from '#cli/ssh/include-line.ts'
import { ownedConfig, userConfig } from '#cli/ssh/places.ts'
import { editUserConfig, readUserConfig } from '#cli/ssh/user-config.ts'
import { aliasPattern } from '#workspace/ssh-alias.ts'

const options = {
  ...formatOptions,
  'dry-run': { type: 'boolean', default: false },
  remove: { type: 'boolean', default: false },
  'agent-forwarding': { type: 'boolean', default: false },
} as const

interface Plan {
  readonly owned: string
  readonly user: string
  /** The one line. */
  readonly line: string
}

export async function configSsh(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 0, names: [] })
  const format = parseFormat(values.output)
  const owned = ownedConfig(io)
  const plan: Plan = { owned, user: userConfig(io), line: includeLine(owned, io.platform) }
  const isDry = values['dry-run']
  if (values.remove) return remove(io, plan, isDry)
  const blocks = await blocksOf(io, { write: !isDry })
  const text = textOf(io, blocks, values['agent-forwarding'])
  if (isDry) return show(io, plan, text)
  await write(io, plan, text)
  const hosts = blocks.map(({ name, sshName, user }) => ({ deployment: name, hosts: aliasPattern(sshName), user }))
  if (format === 'json') printJson(io.stdout, { ...plan, hosts })
  else
    printTable(
      io.stdout,
      ['DEPLOYMENT', 'HOSTS', 'USER'],
      hosts.map((one) => [one.deployment, one.hosts, one.user]),
    )
  await check(io, plan, blocks)
  return 0
}

async function blocksOf(io: PersonIo, { write }: { readonly write: boolean }): Promise<readonly ConfigBlock[]> {
  const silent: CliFault[] = []
  const blocks = await allBlocks(io, {
    write,
    onSilent({ name }, fault) {
      silent.push(fault)
      io.stderr.write(`${name} stays as it was: ${fault.message} (${fault.code})\n`)
    },
  })
  if (blocks.length > 0) return blocks
  const [fault] = silent
  if (fault) throw fault
  // Says what to do where no gateway is known.
  pickDeployment(await readDeployments(io), undefined)
  throw new CliFault('not_logged_in', 'nobody is logged in anywhere here', { hint: 'Run "gatehouse login".' })
}

/** Ours first: the line never leads to a file that is not there. */
async function write(io: PersonIo, { owned, user, line }: Plan, text: string): Promise<void> {
  await using _lock = await takeLock(`${owned}.lock`, { ...io, longest: 60_000 })
  if ((await readPrivateFile(owned, { platform: io.platform, secret: false })) !== text)
    await writePrivateFile(owned, text)
  const isNew = await editUserConfig(user, (before) => withInclude(before, line))
  io.stderr.write(isNew ? `${user} includes ${owned} now.\n` : `${user} includes ${owned} already.\n`)
}

async function show({ stdout }: PersonIo, { owned, user, line }: Plan, text: string): Promise<number> {
  const before = (await readUserConfig(user)) ?? ''
  const first = hasInclude(before, line) ? 'has the line already' : 'gets the line'
  stdout.write(`# ${user} ${first}\n${line}\n\n# ${owned}\n${text}`)
  return 0
}

/** Keys and certificates too, as whatever was made for ssh. */
async function remove(io: PersonIo, { owned, user, line }: Plan, isDry: boolean): Promise<number> {
  const has = (await readUserConfig(user))?.split('\n').some((one) => one.trim() === line) ?? false
  if (isDry) {
    io.stdout.write(
      `${has ? `# ${user} loses the line\n${line}\n\n` : ''}# removed with all that is in it\n${dirname(owned)}\n`,
    )
    return 0
  }
  if (has) await editUserConfig(user, (before) => withoutInclude(before, line))
  await rm(dirname(owned), { recursive: true, force: true })
  io.stderr.write(`${has ? `${user} is as it was, and ` : ''}${dirname(owned)} is gone.\n`)
  return 0
}

/** What ssh itself makes of both files. Throws `overruled` where something in front of ours has the last word. */
async function check(io: PersonIo, { user, owned }: Plan, blocks: readonly ConfigBlock[]): Promise<void> {
  for (const block of blocks) {
    const wrong = await overruled(machineProbes(io), { user, block })
    if (wrong === undefined) continue
    throw new CliFault(
      'overruled',
      `ssh does not take for ${aliasPattern(block.sshName)} what is in ${owned}: ${wrong}`,
      {
        hint: `Something that ${user} includes earlier says otherwise.`,
      },
    )
  }
}
