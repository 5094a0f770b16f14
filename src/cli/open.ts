/** `gatehouse open`: a workspace in the browser. The browser has a login of its own; no address ever carries one. */

import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { CliFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { printUrl } from '#cli/client/printing.ts'
import { askAbout, findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { parseUrl } from '#lib/url.ts'
import { WorkspaceSchema, type WorkspaceView } from '#surface/messages.ts'
import { api, openPath } from '#surface/urls.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  port: { type: 'string' },
  print: { type: 'boolean', default: false },
} as const

export async function open(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, positionals[0], values.namespace)
  const view = await askAbout(ref, () => client.get(api.workspace(ref), WorkspaceSchema))
  const url = addressOf(client.deployment, ref, view, values.port)
  printUrl(io.stdout, url)
  if (!values.print && !(await io.openBrowser(url))) io.stderr.write('There is no browser here: open it elsewhere.\n')
  return 0
}

/** The port's own, or the page that starts it and leads there. Throws `not_found` for a port that it has not. */
function addressOf({ url }: Deployment, ref: WorkspaceRef, view: WorkspaceView, wanted: string | undefined): string {
  const port =
    wanted === undefined ? view.ports[0] : view.ports.find((one) => one.name === wanted || String(one.port) === wanted)
  if (!port) {
    const names = view.ports.map(({ name }) => name).join(', ')
    throw new CliFault('not_found', `${fullName(ref)} has no port '${wanted ?? ''}' that you may open`, {
      hint: `It has: ${names}`,
    })
  }
  const ready = view.state === 'Running' && port.ready ? webUrl(port.url) : undefined
  return ready ?? url + openPath(ref, port === view.ports[0] ? undefined : { port: port.port })
}

/** It is handed to whatever opens addresses here, which opens more than pages. */
function webUrl(text: string): string | undefined {
  const url = parseUrl(text)
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined
}
