/** Opens tunnels in the person's name, and joins them with what the command has: standard input and output, or a connection to a port of this machine. */
import { printable } from '#observe/printable.ts'
import { paths } from '#surface/urls.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { Bridge, type ByteStream } from '#tunnel/bridge.ts'
import { type OpenedTunnel, openTunnel, type WishedStream } from '#tunnel/client.ts'
import { closeCodes, type Notice, pingEvery, readNotice } from '#tunnel/protocol.ts'
import { refusalOf } from './api-call.ts'
import { CliFault } from './cli-fault.ts'
import type { Client } from './client.ts'
import type { PersonIo } from './person-io.ts'
import { loginOver } from './renewal.ts'

export interface TunnelTarget {
  readonly ref: WorkspaceRef
  /** `undefined`: the port of SSH. */
  readonly port: number | undefined
  readonly connectionType: string
  /** The run of the workspace that an earlier tunnel leads to; any if absent. */
  readonly instance?: string | undefined
  /** What is to outlive the connection. */
  readonly stream?: WishedStream | undefined
}

export type GatewayTunnel = Extract<OpenedTunnel, { kind: 'open' }>

/** Throws as the gateway refuses (`workspace_stopped`, `too_many_tunnels`, …), and as `dialGateway`. It waits to be joined. */
export async function tunnelTo(
  client: Pick<Client, 'deployment' | 'secret' | 'dial'>,
  io: Pick<PersonIo, 'signal' | 'clock'>,
  target: TunnelTarget,
): Promise<GatewayTunnel> {
  const { deployment, secret } = client
  const query = new URLSearchParams({ workspace: refKey(target.ref), type: target.connectionType })
  if (target.port !== undefined) query.set('port', String(target.port))
  if (target.instance !== undefined) query.set('instance', target.instance)
  const opened = await openTunnel({
    connection: await client.dial(io.signal),
    authority: new URL(deployment.url).host,
    target: `${paths.tunnel}?${query}`,
    authorization: `Bearer ${secret.reveal()}`,
    ...{ stream: target.stream, clock: io.clock, signal: io.signal },
  }).catch((error: unknown) => {
    if (io.signal.aborted) throw new CliFault('interrupted', 'given up', { cause: error })
    throw new CliFault('unreachable', `the connection to ${deployment.url} broke: ${String(error)}`, { cause: error })
  })
  if (opened.kind === 'open') return opened
  if (opened.status === 401) throw loginOver(deployment, opened.requestId)
  throw refusalOf(opened.status, opened.body, opened.requestId)
}

export interface Joining extends Pick<PersonIo, 'clock' | 'signal' | 'stderr'> {
  readonly tunnel: GatewayTunnel
  readonly stream: ByteStream
}

/** Resolves when both sides have said all they had to say; throws `tunnel_closed`, with the reason, when something else has ended it. */
export function join({ tunnel: { socket }, stream, clock, signal, stderr }: Joining): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => bridge.end({ code: closeCodes.done, reason: 'left' })
    const beat = () => {
      bridge.beat()
      timer = clock.after(pingEvery, beat)
    }
    const bridge = new Bridge({
      ...{ socket, stream, clock, dialect: 'tunnel', onBreak: { code: closeCodes.done, reason: 'left' } },
      onText: noticesTo(stderr),
      onClosed: ({ closedBy }) => {
        timer[Symbol.dispose]()
        signal.removeEventListener('abort', stop)
        // 1005: a close without a code.
        if (closedBy.code === closeCodes.done || closedBy.code === 1005) resolve()
        else reject(closedFault(closedBy))
      },
    })
    let timer = clock.after(pingEvery, beat)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}

/** Tells the person of what the gateway foresees. */
export function noticesTo(stderr: PersonIo['stderr']): (text: string) => void {
  return (text) => {
    const notice = readNotice(text)
    if (notice) stderr.write(`gatehouse: ${sayNotice(notice)}\n`)
  }
}

function sayNotice({ why, in: rest }: Notice): string {
  const minutes = Math.max(1, Math.round(rest / 60_000))
  return foreseen[why](`in ${minutes} min`)
}

const foreseen: { readonly [Why in Notice['why']]: (when: string) => string } = {
  idle: (when) => `this tunnel will be closed ${when}, unless something passes`,
  limit: (when) => `this tunnel will be closed ${when}, since it was open for as long as it may be`,
  inactivity: (when) =>
    `the workspace will be stopped ${when}, unless somebody works in it; to keep it for an hour: "gatehouse activity WORKSPACE --keep"`,
  lifetime: (when) => `the workspace will be stopped ${when}, since it has run for as long as is allowed`,
}

/** How the gateway closed it; 1006 where it did not. */
export interface Closed {
  readonly code: number
  readonly reason: string
}

/** Each with what there is to do about it. */
const closings: ReadonlyMap<number, readonly [what: string, hint: string]> = new Map([
  [closeCodes.stopping, ['the workspace stops', 'Start it again: "gatehouse start WORKSPACE".']],
  [closeCodes.revoked, ['your access has ended', 'Who may share it can give it back.']],
  [closeCodes.gone, ['what it led to is gone, and what was under way in it', 'Connect again once the workspace runs.']],
  [closeCodes.restarting, ['the gateway restarts, and what was under way is gone', 'Connect again.']],
  [closeCodes.busy, ['there are too many tunnels', 'Close another one, and connect again.']],
  [closeCodes.expired, ['its time was up', 'Connect again; if that is refused: "gatehouse login".']],
])

export function closedFault({ code, reason }: Closed): CliFault {
  const known = closings.get(code)
  const said = reason === '' ? '' : ` (${printable(reason)})`
  if (known) return new CliFault('tunnel_closed', `the tunnel was closed: ${known[0]}${said}`, { hint: known[1] })
  const what = code === 1006 ? 'the connection to the gateway broke' : `the gateway closed it with ${code}`
  return new CliFault('tunnel_closed', `${what}${said}, and what was under way is gone`, { hint: 'Connect again.' })
}
