/**
 * `gatehouse idle simulate`: what another timeout would have saved in the last seven days, and whom it would have hit. Reads what the gateways recorded, as an
 * administrator: from the API server, or from the folder of a laptop. Changes nothing.
 */
import { parseArgs } from 'node:util'
import { activityKind } from '#activity/activity-record.ts'
import { type Recordings, type Simulation, simulateIdle } from '#activity/idle-simulation.ts'
import { printJson, printTable } from '#cli/client/printing.ts'
import { GatewayError, messageOf } from '#errors.ts'
import type { Clock, Milliseconds } from '#lib/clock.ts'
import { parseDuration } from '#lib/duration.ts'
import type { Resources } from '#resources/contract.ts'
import { usualHome } from '#settings/early-home.ts'
import { refKey } from '#surface/workspace-ref.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import type { CommandIo } from './check-config.ts'

/** Where the records are. */
export type RecordsPlace =
  | { readonly kind: 'cluster'; readonly kubeconfig: string }
  | { readonly kind: 'laptop'; readonly home: string }

export interface IdleIo extends CommandIo {
  readonly clock: Clock
  /** Opens them to be read. Throws as a store does. */
  readonly openRecords: (place: RecordsPlace) => { readonly resources: Resources } & AsyncDisposable
}

const usage = 'usage: gatehouse idle simulate --timeout 30m [FLAG ...]\n'
const help = `${usage}
What would another idle timeout have done in the last seven days? Nothing is changed.

  --timeout DURATION   the timeout to try: 5m or longer, such as 30m or 1h30m
  --namespace NS, -n   workspaces of one namespace alone
  --kubeconfig FILE    of an administrator of the cluster; default: KUBECONFIG
  --home DIR           the folder of a laptop instead; default: GATEHOUSE_HOME, or ${usualHome}
  -o table|json        how to print it

Saved is the time for which a workspace ran and would not have. A person is hit whose workspace would have been stopped, and who did something in it again
within the timeout; or in whose workspace something ran after the stop and before he was back. Persons are the owners of workspaces.
`

interface Request {
  readonly place: RecordsPlace
  readonly timeout: Milliseconds
  readonly written: string
  readonly namespace: string | undefined
  readonly isJson: boolean
}

/** Records are of five minutes each. */
const shortest: Milliseconds = 5 * 60_000

/** The exit code: 0 done, 1 it can't be read, 2 not understood. */
export async function idle(args: readonly string[], io: IdleIo): Promise<number> {
  if (args.includes('--help')) {
    io.stdout.write(help)
    return 0
  }
  const request = readRequest(args, io.env)
  if (typeof request === 'string') {
    io.stderr.write(`gatehouse idle: ${request}\n${usage}`)
    return 2
  }
  try {
    await using records = io.openRecords(request.place)
    const simulation = simulateIdle(await read(records.resources, request), request.timeout, io.clock.now())
    if (request.isJson) printJson(io.stdout, inSeconds(simulation, request))
    else print(io, simulation, request)
    return 0
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    io.stderr.write(`gatehouse idle: ${error.message} (${error.code})\n`)
    return 1
  }
}

/** A text says what is not understood. */
function readRequest(args: readonly string[], env: CommandIo['env']): Request | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        timeout: { type: 'string' },
        namespace: { type: 'string', short: 'n' },
        kubeconfig: { type: 'string' },
        home: { type: 'string' },
        output: { type: 'string', short: 'o', default: 'table' },
      },
    })
    const { timeout: written = '', namespace, output } = values
    if (positionals.join(' ') !== 'simulate') return "there is 'simulate' and nothing else"
    const timeout = parseDuration(written)
    if (timeout === undefined || timeout < shortest) return '--timeout is five minutes or more, such as 30m'
    if (output !== 'table' && output !== 'json') return `-o is table or json, not '${output}'`
    const place = placeOf(values, env)
    return typeof place === 'string' ? place : { place, timeout, written, namespace, isJson: output === 'json' }
  } catch (error) {
    return messageOf(error)
  }
}

function placeOf(
  { kubeconfig, home }: { readonly kubeconfig?: string | undefined; readonly home?: string | undefined },
  env: CommandIo['env'],
): RecordsPlace | string {
  if (kubeconfig !== undefined && home !== undefined) return '--kubeconfig or --home, not both'
  if (home !== undefined) return { kind: 'laptop', home }
  const file = kubeconfig ?? env.KUBECONFIG
  if (!file) return { kind: 'laptop', home: env.GATEHOUSE_HOME || usualHome }
  return file.includes(':')
    ? 'KUBECONFIG names several files: name one with --kubeconfig'
    : { kind: 'cluster', kubeconfig: file }
}

/** Gateways keep their records in their own namespaces, whose names nobody need know. */
async function read(resources: Resources, { namespace }: Request): Promise<Recordings> {
  const within = namespace === undefined ? {} : { namespace }
  const [workspaces, activities, templates] = await Promise.all([
    resources.list(workspaceKind, within),
    resources.list(activityKind),
    resources.list(templateKind),
  ])
  return { workspaces: workspaces.items, activities: activities.items, templates: templates.items }
}

function print({ stdout }: IdleIo, { since, workspaces, people, peopleHit }: Simulation, { written }: Request): void {
  const rows = workspaces
    .toSorted((one, other) => other.saved - one.saved)
    .map((one) => [refKey(one), hours(one.ran), hours(one.saved), `${one.stops}`, `${one.returns}`, `${one.broken}`])
  if (rows.length > 0) printTable(stdout, ['WORKSPACE', 'RAN', 'SAVED', 'STOPS', 'CAME BACK', 'WORK LOST'], rows)
  const [ran, saved] = [sum(workspaces.map((one) => one.ran)), sum(workspaces.map((one) => one.saved))]
  const share = ran === 0 ? 0 : Math.round((100 * saved) / ran)
  stdout.write(
    `Since ${new Date(since).toISOString()} a timeout of ${written} would have saved ${hours(saved)} of ${hours(ran)} (${share} %).\n` +
      `People hit: ${peopleHit.length} of ${people.length}.${sayNames(peopleHit)}\n`,
  )
}

function sayNames(names: readonly string[]): string {
  const some = names.slice(0, 20).map((name) => JSON.stringify(name).slice(1, -1))
  return some.length === 0 ? '' : ` ${some.join(', ')}${names.length > some.length ? ', …' : ''}`
}

function inSeconds({ since, until, workspaces, people, peopleHit }: Simulation, { timeout }: Request) {
  const seconds = (span: Milliseconds) => Math.round(span / 1000)
  const [ran, saved] = [sum(workspaces.map((one) => one.ran)), sum(workspaces.map((one) => one.saved))]
  return {
    ...{ since: new Date(since).toISOString(), until: new Date(until).toISOString(), timeoutSeconds: seconds(timeout) },
    ...{ ranSeconds: seconds(ran), savedSeconds: seconds(saved), people: people.length, peopleHit },
    workspaces: workspaces.map(({ namespace, name, owner, stops, returns, broken, ...one }) => ({
      ...{ namespace, name, owner, ranSeconds: seconds(one.ran), savedSeconds: seconds(one.saved) },
      ...{ stops, returns, broken },
    })),
  }
}

function sum(spans: readonly Milliseconds[]): Milliseconds {
  return spans.reduce((total, one) => total + one, 0)
}

function hours(span: Milliseconds): string {
  return `${(span / 3_600_000).toFixed(1)} h`
}
