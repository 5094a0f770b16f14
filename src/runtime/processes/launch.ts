/** Starts one program as the leader of a process group of its own, never through a shell. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { GatewayError } from '#errors.ts'
import type { Log } from '#observe/log.ts'
import type { Invocation } from './environment.ts'
import type { OutputLog } from './output-log.ts'

export interface Exit {
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
}

export interface Launched {
  /** Number of the process and of its group. */
  readonly pid: number
  readonly exited: Promise<Exit>
  /** All that it printed is in the log, as far as nobody else holds its output open. */
  readonly drained: Promise<unknown>
}

/** Throws `runtime_failed` when it can't be started. */
export async function launch(invocation: Invocation, folder: string, output: OutputLog, log: Log): Promise<Launched> {
  const [command, ...argv] = invocation.argv
  if (command === undefined || command === '')
    throw new GatewayError('invalid_resource', 'there is no program to start')
  const child = spawn(command, argv, {
    cwd: folder,
    env: { ...invocation.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }))
  })
  const pid = await started(child, command)
  const keep = (stream: Readable) =>
    keepOutput(stream, output).catch((error: unknown) => {
      log.warn({ error, pid }, 'the output of a workspace is not kept')
      stream.resume() // the program must not stop because nobody takes what it prints
    })
  return { pid, exited, drained: Promise.all([keep(child.stdout), keep(child.stderr)]) }
}

function started(child: ChildProcess, command: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => (child.pid === undefined ? undefined : resolve(child.pid)))
    // Stays on: an error without a listener would end Gatehouse.
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'ENOENT' ? 'there is no such program' : cause.message
      reject(new GatewayError('runtime_failed', `${command} could not be started: ${why}`, { cause }))
    })
  })
}

async function keepOutput(stream: Readable, output: OutputLog): Promise<void> {
  stream.on('error', () => undefined) // the iterator below reports it
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    if (Buffer.isBuffer(chunk)) await output.write(chunk)
  }
}

/** A loopback port that nobody listened on a moment ago. Whoever is quicker than the program gets it: sockets are the rule. */
export async function freeLoopbackPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new GatewayError('runtime_failed', 'no free loopback port')
  return address.port
}
