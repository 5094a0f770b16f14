/** `gatehouse activity`: why a workspace is, or is not, idle: what is known of who works in it, and when it would stop. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { openClient } from '#cli/client/client.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printFields, printJson, printTable, span } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { ActivitySchema, type ActivityView } from '#surface/activity-message.ts'
import { api } from '#surface/urls.ts'

const options = {
  ...commonOptions,
  ...formatOptions,
  ...workspaceOptions,
  keep: { type: 'boolean', default: false },
} as const

export async function activity(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const format = parseFormat(values.output)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const view = await askAbout(ref, () =>
    values.keep ? client.post(api.keep(ref), ActivitySchema) : client.get(api.activity(ref), ActivitySchema),
  )
  if (format === 'json') printJson(io.stdout, view)
  else print(io, view)
  return 0
}

function print({ stdout }: PersonIo, view: ActivityView): void {
  const { verdict, ends, at, keptUntil, startedAt, clocks, state } = view
  printFields(stdout, [
    ['workspace', fullName(view)],
    ['state', `${state} (${view.reason}): ${view.message}`],
    ['rule', ruleOf(view)],
    ['verdict', `${verdict.kind} (${verdict.reason}): ${verdict.message}`],
    ['stops', ends && `${ends.at}, ${distance(at, ends.at)}, for ${ends.because}`],
    ['kept until', keptUntil],
    ['started', startedAt],
  ])
  if (clocks.length === 0) return
  stdout.write('\n')
  const rows = clocks.map((one) => [one.clock, one.at, distance(at, one.at), one.source, one.user ?? ''])
  printTable(stdout, ['CLOCK', 'AT', 'WHEN', 'SEEN', 'WHO'], rows)
}

function ruleOf({ policy }: ActivityView): string {
  const { kind, timeoutMinutes, connectedCounts, hasEndpoint, maxBusyMinutes, maxLifetimeMinutes } = policy
  const { ignoresPorts, pausedUntil, problem } = policy
  const parts = [
    kind === 'off' ? 'nobody asks that it stops when nobody works' : undefined,
    kind === 'unknown' ? 'not known' : undefined,
    timeoutMinutes === undefined ? undefined : `stops after ${timeoutMinutes} min without activity`,
    connectedCounts === true ? 'an open stream is activity' : undefined,
    ignoresPorts === true ? 'what is done at some of its ports is no activity' : undefined,
    hasEndpoint === true ? 'its own endpoint is asked' : undefined,
    maxBusyMinutes === undefined ? undefined : `work counts for ${maxBusyMinutes} min after the last gesture at most`,
    maxLifetimeMinutes === undefined ? undefined : `runs for ${maxLifetimeMinutes} min at most`,
    pausedUntil === undefined ? undefined : `nothing is stopped until ${pausedUntil}`,
    problem,
  ]
  return parts.filter((part) => part !== undefined).join('; ')
}

/** By the clock of the gateway, which both times are of. */
function distance(now: string, then: string): string {
  const ahead = Date.parse(then) - Date.parse(now)
  if (Number.isNaN(ahead)) return ''
  return ahead > 0 ? `in ${span(ahead)}` : `${span(-ahead)} ago`
}
