/** `gatehouse share`: lets others open a workspace, or lists who may. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printTable } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { parseDuration } from '#lib/duration.ts'
import { type ShareInput, ShareListSchema, ShareSchema, type ShareView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { portForward } from '#workspace/connections.ts'
import { granteeOptions, granteesOf, granteeText } from './grantees.ts'

const options = {
  ...commonOptions,
  ...formatOptions,
  ...workspaceOptions,
  ...granteeOptions,
  access: { type: 'string' },
  port: { type: 'string', multiple: true },
  type: { type: 'string', multiple: true },
  for: { type: 'string' },
  until: { type: 'string' },
} as const

export async function share(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const grantees = granteesOf(values)
  const details = {
    ...{ access: values.access, ports: values.port, connectionTypes: values.type },
    expiresAt: expiryOf(values, io),
  }
  const isList = grantees.length === 0
  if (isList && Object.values(details).some((value) => value !== undefined))
    throw usageFault('say with whom: --user, --group')
  const input = { ...details, access: accessOf(values.access), grantees }
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const shares = isList
    ? (await askAbout(ref, () => client.get(api.shares(ref), ShareListSchema))).shares
    : [await askAbout(ref, () => client.post(api.shares(ref), ShareSchema, input))]
  if (format === 'json') printJson(io.stdout, isList ? shares : shares[0])
  else if (shares.length === 0) io.stderr.write('It is shared with nobody.\n')
  else printTable(io.stdout, ['SHARE', 'WITH', 'ACCESS', 'PORTS', 'BY', 'UNTIL', 'STATUS'], shares.map(rowOf))
  return 0
}

function rowOf({ name, grantees, access, ports, connectionTypes, expiresAt, status }: ShareView): readonly string[] {
  const whom = grantees.map(granteeText).join(', ')
  return [
    name,
    whom,
    access,
    ports?.join(', ') ?? 'all',
    connectionTypes?.join(', ') ?? `all but ${portForward}`,
    expiresAt ?? 'revoked',
    status.accepted ? 'in force' : status.reason,
  ]
}

/** What is left out is the least that can be given. */
function accessOf(text: string | undefined): ShareInput['access'] {
  if (text === undefined || text === 'connect') return 'connect'
  if (text === 'modify' || text === 'own') return text
  throw usageFault(`--access is connect, modify or own, not '${text}'`)
}

function expiryOf({ for: span, until }: { for?: string; until?: string }, { clock }: PersonIo): string | undefined {
  if (span === undefined) return until
  if (until !== undefined) throw usageFault('say --for or --until, not both')
  const length = parseDuration(span) ?? 0
  if (length <= 0) throw usageFault(`--for is a span such as 8h or 7d, not '${span}'`)
  return new Date(clock.now() + length).toISOString()
}
