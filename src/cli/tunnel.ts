/**
 * `gatehouse tunnel`: standard input and output as a connection to a port of a workspace, as the ProxyCommand of OpenSSH. On standard output there is
 * nothing but what comes out of the tunnel.
 */
import { Writable } from 'node:stream'
import { deploymentOfAlias } from '#cli/client/alias-deployment.ts'
import { commonOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { isCliFault, usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import { joinLasting, lastingTunnel } from '#cli/client/lasting-tunnel.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { putOff } from '#cli/client/reconnecting.ts'
import { findWorkspace, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { inConfigFolder } from '#cli/ssh/given-folder.ts'
import { portForward, readConnectionType, sshRemote } from '#workspace/connections.ts'
import { parseSshAlias } from '#workspace/ssh-alias.ts'

const options = {
  ...commonOptions,
  ...workspaceOptions,
  port: { type: 'string' },
  type: { type: 'string' },
  'config-folder': { type: 'string' },
} as const

export async function tunnel(args: readonly string[], given: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, options)
  takePositionals(positionals, { least: 1, names: ['workspace'] })
  const io = inConfigFolder(given, values['config-folder'])
  const port = values.port === undefined ? undefined : parsePort(values.port)
  const connectionType = readConnectionType(values.type ?? sshRemote)
  if (connectionType === undefined) throw usageFault(`'${values.type}' is no type of connection`)
  if (connectionType === portForward && port === undefined) throw usageFault('name the port: --port N')
  const [text = ''] = positionals
  const { input, output } = io.pipe()
  const alias = parseSshAlias(text)
  const client = await openClient(
    io,
    alias ? (await deploymentOfAlias(io, alias, values.deployment)).name : values.deployment,
  )
  const ref = alias?.ref ?? (await findWorkspace(client, text, values.namespace))
  const later = putOff(io, ref)
  try {
    const opened = await lastingTunnel(client, io, { ref, port, connectionType })
    await Promise.all([
      later.reset(),
      joinLasting({ ...io, ...opened, stream: { readable: input, writable: throughTo(output) } }),
    ])
  } catch (error) {
    // An IDE comes again at once, for as long as its window is open.
    if (isCliFault(error, 'workspace_stopped')) await later.wait(error)
    throw error
  }
  return 0
}

/** A number of a port, of this machine or a workspace. Throws `usage`. */
export function parsePort(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw usageFault(`'${text}' is no port`)
}

/** What is closed when it is ended, as standard output itself is not. */
function throughTo(output: Writable): Writable {
  const through = new Writable({
    write: (bytes, _encoding, done) => void output.write(bytes, done),
    final: (done) => void output.end(done),
  })
  output.on('error', (error) => through.destroy(error))
  return through
}
