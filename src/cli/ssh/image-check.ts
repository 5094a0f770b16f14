/** Has a workspace's image what desktop IDEs need? Its SSH server is asked for its first line, and a shell within it for programs: docs/ssh-image.md. */
import { CliFault } from '#cli/client/cli-fault.ts'
import { tunnelTo } from '#cli/client/open-tunnel.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import type { Finding, Probes, ProgramAnswer } from '#cli/doctor/probes.ts'
import { agentRemedy } from '#cli/doctor/workspace.ts'
import type { Milliseconds } from '#lib/clock.ts'
import { deadlineOf } from '#lib/deadline.ts'
import { printable } from '#observe/printable.ts'
import { Pulse } from '#tunnel/pulse.ts'
import { sshRemote } from '#workspace/connections.ts'
import type { SshTarget } from './target.ts'

export interface ImageFindings {
  readonly findings: readonly Finding[]
  /** The folder that a shell begins in; `undefined` where there was none. */
  readonly home: string | undefined
}

/** RFC 4253 section 4.2. */
const greeting = /^SSH-2\.0-[\x21-\x7e]{1,200}/
const longest: Milliseconds = 15_000
const contract = 'The image has to bring it: docs/ssh-image.md of Gatehouse.'

/** Of what is no fault of the image. */
const remedies: ReadonlyMap<string, string> = new Map([
  ['workspace_stopped', 'Start it: gatehouse start WORKSPACE'],
  ['workspace_starting', 'Wait until it runs: gatehouse start WORKSPACE'],
  ['agent_needed', 'Whoever runs the gateway sets that up: docs/agent.md of Gatehouse.'],
  [
    'memory_too_small',
    'Ask for more memory in the spec of the workspace (resources), or use another kind of connection.',
  ],
  ['too_many_tunnels', 'Close another connection.'],
])

/** `connectionType`: what an IDE is, with what the gateway asks of that. By an alias whatever comes is {@link sshRemote}, so that this one is needed too. */
export async function checkImage(
  io: PersonIo,
  probes: Probes,
  target: SshTarget,
  connectionType: string,
): Promise<ImageFindings> {
  const sshd = await checkSshd(io, target, sshRemote)
  if (sshd.verdict !== 'ok') return { findings: [sshd], home: undefined }
  const own = connectionType === sshRemote ? sshd : await checkSshd(io, target, connectionType)
  if (own.verdict !== 'ok') return { findings: [own], home: undefined }
  const args = ['-F', target.config, '-T', '-o', 'BatchMode=yes', target.alias, shellQuestion]
  const { findings, home } = readPrograms(await probes.run('ssh', args))
  return { findings: [sshd, ...findings], home }
}

async function checkSshd(io: PersonIo, { client, ref }: SshTarget, connectionType: string): Promise<Finding> {
  const check = 'sshd'
  try {
    using deadline = deadlineOf(io.clock, longest, io.signal)
    const { socket } = await tunnelTo(
      client,
      { ...io, signal: deadline.signal },
      { ref, port: undefined, connectionType },
    )
    try {
      const said = await firstLine(socket, deadline.signal)
      const version = greeting.exec(said)?.[0]
      if (version !== undefined) return { check, verdict: 'ok', found: version }
      return { check, verdict: 'missing', found: 'what listens at its port of SSH is no SSH server', remedy: contract }
    } finally {
      socket.terminate()
    }
  } catch (error) {
    if (!(error instanceof CliFault)) throw error
    return findingOf(error, connectionType)
  }
}

/** Of a tunnel to its port of SSH that was refused. Pure. A gateway that lets nobody in by this type, or an agent that is away, says nothing of the image. */
export function findingOf(error: CliFault, connectionType: string): Finding {
  const { message, code } = error
  if (code === 'agent_away')
    return { check: 'agent', verdict: 'missing', found: `${message} (${code})`, remedy: agentRemedy }
  return { check: 'sshd', verdict: 'missing', ...sayRefusal(error, connectionType) }
}

function sayRefusal({ message, code, hint, status }: CliFault, connectionType: string) {
  if (status === 400 || status === 403 || status === 404)
    return {
      found: `the connection type '${connectionType}' is refused: ${message} (${code})`,
      remedy: `A share that names types has to name ${connectionType} too ("gatehouse share --type"), and the gateway has to offer it.`,
    }
  return { found: `${message} (${code})`, remedy: remedies.get(code) ?? hint ?? contract }
}

function firstLine(socket: Awaited<ReturnType<typeof tunnelTo>>['socket'], signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const done = () => resolve(said)
    const pulse = new Pulse(socket, () => undefined)
    signal.addEventListener('abort', done, { once: true })
    const hear = (text: string) => {
      said += text
      if (said.includes('\n') || said.length > 1024) done()
    }
    socket.use({
      onBytes: (bytes) => hear(bytes.toString()),
      onText: () => undefined,
      // The end of what it says.
      onEmpty: done,
      onReadEnd: () => undefined,
      onPing: (payload) => pulse.answer(payload),
      onPong: () => undefined,
      onClosed: done,
    })
  })
}

const programs = ['tar', 'gzip', 'curl', 'wget']
/** By `sh`, whichever shell the person has there. Each line begins with a word of ours: a profile may say something too. */
const shellQuestion = `exec sh -c 'for p in ${programs.join(' ')}; do command -v $p >/dev/null 2>&1 && echo gatehouse-has $p; done; echo gatehouse-home "$PWD"'`

/** What a shell has said of its programs. Pure. */
export function readPrograms(answer: ProgramAnswer | undefined): ImageFindings {
  const lines = (answer?.stdout ?? '').split(/\r?\n/)
  const home = lines.find((line) => line.startsWith('gatehouse-home /'))?.slice('gatehouse-home '.length)
  if (home === undefined) {
    const why = answer?.stderr.trim().split('\n').at(-1) ?? ''
    const found = `nobody is let in: ${printable(why === '' ? 'ssh ends without a word' : why)}`
    return { home, findings: [{ check: 'shell', verdict: 'missing', found, remedy: contract }] }
  }
  const has = new Set(lines.flatMap((line) => /^gatehouse-has (\w+)$/.exec(line)?.[1] ?? []))
  const finding = (check: string, names: readonly string[]): Finding => {
    const there = names.find((name) => has.has(name))
    if (there !== undefined) return { check, verdict: 'ok', found: `${there} is there` }
    return { check, verdict: 'missing', found: `the image has no ${names.join(' and no ')}`, remedy: contract }
  }
  return {
    home,
    findings: [finding('tar', ['tar']), finding('gzip', ['gzip']), finding('curl or wget', ['curl', 'wget'])],
  }
}
