/** `gatehouse status`: how a workspace is; without one, where the person is logged in. */

import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { findDeployment, openClient } from '#cli/client/client.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import { readDeployments } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { type Format, parseFormat, printFields, printJson, printTable } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { WhoamiSchema, WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'

export async function status(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, ...formatOptions, ...workspaceOptions })
  takePositionals(positionals, { least: 0, names: ['workspace'] })
  const format = parseFormat(values.output)
  const [name] = positionals
  if (name === undefined) return whereabouts(io, values.deployment, format)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, name, values.namespace)
  const view = await askAbout(ref, () => client.get(api.workspace(ref), WorkspaceSchema))
  if (format === 'json') printJson(io.stdout, view)
  else printView(io, view)
  return 0
}

function printView({ stdout }: PersonIo, view: WorkspaceView): void {
  const { state, reason, message, owner, grant, ports, connected, steps, can, agent } = view
  printFields(stdout, [
    ['workspace', fullName(view)],
    ['name', view.displayName],
    ['state', `${state} (${reason}): ${message}`],
    [
      'agent',
      agent && `${agent.connected ? 'connected' : 'not connected'}${agent.since ? ` since ${agent.since}` : ''}`,
    ],
    ['owner', owner],
    ['open to you by', grant],
    ...ports.map((port): [string, string] => [
      `port ${port.name}`,
      `${port.url}${port.ready ? '' : ' (does not answer yet)'}`,
    ]),
    [
      'you may',
      Object.entries(can)
        .flatMap(([what, is]) => (is ? [what] : []))
        .join(', '),
    ],
    ['open now by', connected?.map(({ user, streams }) => `${user} (${streams})`).join(', ')],
    ...steps.slice(-5).map((step): [string, string] => [step.at, `${step.reason}: ${step.message}`]),
  ])
}

interface Whereabouts {
  readonly deployment: string
  readonly url: string
  readonly username: string | undefined
  readonly expiresAt: string | undefined
  readonly notAfter: string | undefined
  /** The code of what is wrong. */
  readonly problem: string | undefined
}

/** Asks each gateway; that one is not reached keeps nobody from hearing of the others. The exit code is that of the worst. */
async function whereabouts(io: PersonIo, named: string | undefined, format: Format): Promise<number> {
  const all = named === undefined ? (await readDeployments(io)).all : [await findDeployment(io, named)]
  // Says what to do.
  if (all.length === 0) await findDeployment(io, undefined)
  const found = await Promise.all(all.map((deployment) => loggedIn(io, deployment)))
  const places = found.map(({ place }) => place)
  if (format === 'json') printJson(io.stdout, places)
  else {
    const rows = places.map(({ deployment, url, username = '', problem = 'ok', expiresAt = '', notAfter = '' }) => [
      ...[deployment, url, username, problem, expiresAt, notAfter],
    ])
    printTable(io.stdout, ['DEPLOYMENT', 'URL', 'USER', 'LOGIN', 'RENEWED BY', 'ENDS BY'], rows)
  }
  return Math.max(...found.map(({ exitCode }) => exitCode))
}

async function loggedIn(
  io: PersonIo,
  { name, url }: Deployment,
): Promise<{ readonly place: Whereabouts; readonly exitCode: number }> {
  const nobody = { deployment: name, url, username: undefined, expiresAt: undefined, notAfter: undefined }
  try {
    const client = await openClient(io, name)
    const { username, session } = await client.get(api.whoami, WhoamiSchema)
    const { expiresAt, notAfter } = session
    return { place: { ...nobody, username, expiresAt, notAfter, problem: undefined }, exitCode: 0 }
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    return { place: { ...nobody, problem: error.code }, exitCode: error.exitCode }
  }
}
