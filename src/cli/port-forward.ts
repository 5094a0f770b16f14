/** `gatehouse port-forward`: ports of this machine that are ports of a workspace. Each connection is a tunnel of its own. */
import { createServer, type Server, type Socket } from 'node:net'
import { commonOptions, readArguments } from '#cli/client/arguments.ts'
import { CliFault, isCliFault, usageFault } from '#cli/client/cli-fault.ts'
import { type Client, openClient } from '#cli/client/client.ts'
import { joinLasting, type LastingTunnel, lastingTunnel } from '#cli/client/lasting-tunnel.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { findWorkspace, fullName, workspaceOptions } from '#cli/client/workspace-argument.ts'
import type { WorkspaceRef } from '#surface/workspace-ref.ts'
import { portForward as forwarding } from '#workspace/connections.ts'
import { parsePort } from './tunnel.ts'

interface Forward {
  /** 0: any that is free. */
  readonly local: number
  readonly remote: number
}

export async function portForward(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, ...workspaceOptions })
  const [text, ...ports] = positionals
  if (ports.length === 0) throw usageFault('name a workspace and its ports: WORKSPACE [LOCAL:]PORT …')
  const forwards = ports.map(parseForward)
  const client = await openClient(io, values.deployment)
  const ref = await findWorkspace(client, text, values.namespace)
  const route = new Route(client, ref, io)
  const servers: Server[] = []
  try {
    for (const { local, remote } of forwards) {
      const server = await listen(local, (connection) => route.carry(connection, remote))
      servers.push(server)
      const address = server.address()
      const port = typeof address === 'object' ? address?.port : local
      io.stdout.write(`127.0.0.1:${port} is port ${remote} of ${fullName(ref)}\n`)
    }
    await ended(io.signal)
  } finally {
    for (const server of servers) server.close()
  }
  return 0
}

function parseForward(text: string): Forward {
  const [first = '', second, ...more] = text.split(':')
  if (more.length > 0) throw usageFault(`'${text}' is no [LOCAL:]PORT`)
  const remote = parsePort(second ?? first)
  if (second === undefined) return { local: remote, remote }
  return { local: first === '' || first === '0' ? 0 : parsePort(first), remote }
}

/** On loopback alone: what is reached here is reached in the person's name. */
function listen(port: number, carry: (connection: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, carry)
    server.once('error', (error) =>
      reject(new CliFault('listen_failed', `port ${port} of this machine cannot be used: ${error.message}`)),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

/** All connections lead to one run of the workspace, as long as any of them is open. */
class Route {
  readonly #client: Client
  readonly #ref: WorkspaceRef
  readonly #io: PersonIo
  #instance: string | undefined
  #open = 0

  constructor(client: Client, ref: WorkspaceRef, io: PersonIo) {
    this.#client = client
    this.#ref = ref
    this.#io = io
  }

  carry(connection: Socket, port: number): void {
    connection.on('error', () => undefined)
    this.#carry(connection, port).catch((error: unknown) => {
      connection.resetAndDestroy()
      const { stderr, signal } = this.#io
      if (signal.aborted) return
      stderr.write(`gatehouse port-forward: ${error instanceof CliFault ? error.message : String(error)}\n`)
    })
  }

  async #carry(connection: Socket, port: number): Promise<void> {
    this.#open += 1
    try {
      const opened = await this.#tunnel(port)
      this.#instance = opened.tunnel.instance
      await joinLasting({ ...this.#io, ...opened, stream: { readable: connection, writable: connection } })
    } finally {
      this.#open -= 1
    }
  }

  async #tunnel(port: number): Promise<LastingTunnel> {
    const target = { ref: this.#ref, port, connectionType: forwarding }
    try {
      return await lastingTunnel(this.#client, this.#io, { ...target, instance: this.#instance })
    } catch (error) {
      // It was started again, and nothing leads to the run before any more.
      if (this.#open > 1 || !isCliFault(error, 'instance_changed')) throw error
      return lastingTunnel(this.#client, this.#io, target)
    }
  }
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
