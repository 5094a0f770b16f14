/** `gatehouse unshare`: takes shares back. A share can't be changed, so that one which names others too is taken back by its name alone. */

import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault, usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { askAbout, findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { ShareListSchema, type ShareView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { granteeOptions, granteesOf, granteeText, isSameGrantee } from './grantees.ts'

export async function unshare(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, ...workspaceOptions, ...granteeOptions })
  const [workspace, ...names] = positionals
  takePositionals(positionals.slice(0, 1), { least: 1, names: ['workspace'] })
  const grantees = granteesOf(values)
  if (names.length + grantees.length === 0)
    throw usageFault('name the shares, or whom to take them from: --user, --group')
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, workspace, values.namespace)
  const { shares } = await askAbout(ref, () => client.get(api.shares(ref), ShareListSchema))
  const chosen = new Set([
    ...names.map((name) => shares.find((one) => one.name === name) ?? absent(`a share '${name}'`, fullName(ref))),
    ...grantees.flatMap((grantee) => {
      const own = shares.filter((one) => one.grantees.some((other) => isSameGrantee(other, grantee)))
      return own.length > 0 ? own : absent(`a share for ${granteeText(grantee)}`, fullName(ref))
    }),
  ])
  for (const one of chosen) refuseOthers(one, names, grantees.map(granteeText))
  for (const { name } of chosen) {
    await client.send({ method: 'DELETE', path: api.share(ref, name) })
    io.stderr.write(`${name} is taken back.\n`)
  }
  return 0
}

function absent(what: string, of: string): never {
  throw new CliFault('not_found', `${of} has no ${what.replace(/^a /, '')}`, {
    hint: `Its shares: "gatehouse share ${of}".`,
  })
}

/** Nobody loses what he has because somebody else does. */
function refuseOthers({ name, grantees }: ShareView, names: readonly string[], whom: readonly string[]): void {
  if (names.includes(name)) return
  const others = grantees.map(granteeText).filter((text) => !whom.includes(text))
  if (others.length > 0)
    throw usageFault(`${name} is for ${others.join(', ')} as well: name it, and share anew with who is to keep it`)
}
