/** What JupyterLab's own page does at its server, for a scripted browser: REST with its XSRF token, kernels and terminals over WebSockets. */
import { randomUUID } from 'node:crypto'
import type { Page, ScriptedBrowser } from './browser-session.ts'
import { until } from './until.ts'
import { openSocket, type SocketOptions, type WorkspaceSocket } from './workspace-socket.ts'

/** The one that JupyterLab offers: binary, with a table of offsets. */
export const kernelProtocol = 'v1.kernel.websocket.jupyter.org'

export interface JupyterClient {
  /** `path` below the base URL of the server, such as `api/kernels`. */
  ask(method: string, path: string, body?: unknown): Promise<Page>
  socket(path: string, protocols?: readonly string[]): Promise<WorkspaceSocket>
  /** The header fields of a request by the page, for bodies that are not to be held as one string. */
  fields(path: string): Readonly<Record<string, string>>
}

/** `base`: the URL of the server's front page. Opens it, which brings the XSRF token. `reach`: how its sockets get there. */
export async function openJupyter(
  browser: ScriptedBrowser,
  base: string,
  reach: Pick<SocketOptions, 'lookup' | 'ws'> = {},
): Promise<JupyterClient> {
  // Another replica may still show its starting page, which goes on by itself in a browser that runs scripts.
  await until(
    async () => {
      const page = await browser.open(`${base}lab`)
      return page.status === 200 && page.url.href === `${base}lab` ? page : undefined
    },
    () => `JupyterLab answered ${browser.page.status} at ${browser.page.url.href}`,
    200,
  )
  const token = () => browser.cookies.of(base).find(({ name }) => name === '_xsrf')?.value ?? ''
  return {
    ask: (method, path, body) =>
      browser.fetch(base + path, {
        method,
        headers: { 'X-XSRFToken': token(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    socket: (path, protocols = []) => openSocket(browser, base + path, { ...reach, protocols }),
    fields: (path) => ({
      Cookie: browser.cookieHeader(base + path) ?? '',
      Origin: new URL(base).origin,
      'X-XSRFToken': token(),
    }),
  }
}

export interface KernelMessage {
  readonly channel: string
  readonly type: string
  /** Of the request that it answers. */
  readonly parent: string | undefined
  readonly content: Readonly<Record<string, unknown>>
}

export interface Kernel {
  readonly socket: WorkspaceSocket
  /** Everything that came for this piece of code, up to its `idle`. */
  execute(code: string): Promise<readonly KernelMessage[]>
}

export async function startKernel(client: JupyterClient): Promise<string> {
  const created = await client.ask('POST', 'api/kernels', { name: 'python3' })
  if (created.status !== 201) throw new Error(`no kernel: ${created.status} ${created.body}`)
  return String(JSON.parse(created.body).id)
}

/** Over the binary protocol, or over the one without a name that was before it, where each message is a JSON text. */
export async function connectKernel(client: JupyterClient, id: string, form: 'v1' | 'legacy'): Promise<Kernel> {
  const session = randomUUID()
  const path = `api/kernels/${id}/channels?session_id=${session}`
  const socket = await client.socket(path, form === 'v1' ? [kernelProtocol] : [])
  const decode = form === 'v1' ? decodeBinary : decodeText
  const encode = form === 'v1' ? encodeBinary : encodeText
  return {
    socket,
    execute(code) {
      const id = randomUUID()
      const header = {
        msg_id: id,
        msg_type: 'execute_request',
        session,
        username: '',
        date: new Date().toISOString(),
        version: '5.3',
      }
      const content = { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false }
      const answers: KernelMessage[] = []
      return new Promise((resolve, reject) => {
        const take = (data: Buffer) => {
          const message = decode(data)
          if (message.parent !== id) return
          answers.push(message)
          if (message.type !== 'status' || message.content.execution_state !== 'idle') return
          socket.ws.off('message', take)
          resolve(answers)
        }
        socket.ws.on('message', take)
        socket.ws.once('close', (code) => reject(new Error(`the kernel's socket was closed with ${code}`)))
        socket.ws.send(encode(header, content))
      })
    },
  }
}

/** The channel's name, then header, parent, metadata, content; before them how many offsets there are, and each, as 64 bit numbers. */
function encodeBinary(header: object, content: object): Buffer {
  const parts = [Buffer.from('shell'), ...[header, {}, {}, content].map((part) => Buffer.from(JSON.stringify(part)))]
  const table = Buffer.alloc(8 * (parts.length + 2))
  table.writeBigUInt64LE(BigInt(parts.length + 1), 0)
  let offset = table.length
  for (const [index, part] of parts.entries()) {
    table.writeBigUInt64LE(BigInt(offset), 8 * (index + 1))
    offset += part.length
  }
  table.writeBigUInt64LE(BigInt(offset), 8 * (parts.length + 1))
  return Buffer.concat([table, ...parts])
}

function decodeBinary(data: Buffer): KernelMessage {
  const count = Number(data.readBigUInt64LE(0))
  const offsets = Array.from({ length: count }, (_, index) => Number(data.readBigUInt64LE(8 * (index + 1))))
  const part = (index: number) => data.subarray(offsets[index], offsets[index + 1]).toString()
  return messageOf(part(0), JSON.parse(part(1)), JSON.parse(part(2)), JSON.parse(part(4)))
}

function encodeText(header: object, content: object): string {
  return JSON.stringify({ channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: [] })
}

function decodeText(data: Buffer): KernelMessage {
  const { channel, header, parent_header, content } = JSON.parse(data.toString())
  return messageOf(channel, header, parent_header, content)
}

function messageOf(
  channel: string,
  header: { msg_type?: string },
  parent: { msg_id?: string },
  content: Record<string, unknown>,
): KernelMessage {
  return { channel, type: header.msg_type ?? '', parent: parent.msg_id, content }
}

/** Types a line into a new terminal and resolves once the pattern is on its screen; answers with all that was. */
export async function typeIntoTerminal(client: JupyterClient, line: string, expected: RegExp): Promise<string> {
  const created = await client.ask('POST', 'api/terminals', {})
  if (created.status !== 200) throw new Error(`no terminal: ${created.status} ${created.body}`)
  using socket = await client.socket(`terminals/websocket/${JSON.parse(created.body).name}`)
  let screen = ''
  return await new Promise((resolve, reject) => {
    socket.ws.on('message', (data: Buffer) => {
      const [kind, text] = JSON.parse(data.toString())
      if (kind === 'stdout') screen += text
      if (expected.test(screen)) resolve(screen)
    })
    // Not only after its greeting, which may have come with the 101, before anybody listened; the terminal keeps what is typed early.
    socket.ws.send(JSON.stringify(['stdin', `${line}\r`]))
    socket.ws.once('close', (code) => reject(new Error(`the terminal's socket was closed with ${code}: ${screen}`)))
  })
}
