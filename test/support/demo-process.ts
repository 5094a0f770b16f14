/** `npm start` as a process of its own, in folders of the test: what it prints, and how it ends. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { eventually, type LaptopSite } from './laptop-site.ts'
import { findPart } from './real-parts.ts'

export interface DemoProcess extends AsyncDisposable {
  readonly pid: number
  /** Everything on standard output and standard error so far. */
  printed(): string
  kill(signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): void
  /** The exit code; `undefined` when a signal ended it. */
  readonly ended: Promise<number | undefined>
  /** The most memory that it ever held at once, in bytes. */
  peakMemory(): Promise<number>
}

export interface DemoOptions {
  /** Is code-server on its PATH? */
  readonly hasCodeServer?: boolean
  /** It makes a password of its own, and prints it. */
  readonly isPasswordMade?: boolean
  /** It keeps compiled code, as it does by itself: for most tests that is only work. */
  readonly keepsCompiled?: boolean
  /** Of the environment, besides. */
  readonly env?: Readonly<Record<string, string>>
  /** A module that is loaded before it. */
  readonly preload?: string
  /** Of the command line. */
  readonly flags?: readonly string[]
  /** It installs JupyterLab with the `python3` of this folder, which the test puts there. */
  readonly pythonFolder?: string
}

const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')

/** Resolves when it says that it is ready; throws when it ends before. */
export async function startDemo(site: LaptopSite, options: DemoOptions = {}): Promise<DemoProcess> {
  const demo = spawnDemo(site, options)
  const isOver = demo.ended.then((code) => {
    throw new Error(`it ended with ${code} before it was ready:\n${demo.printed()}`)
  })
  await Promise.race([
    eventually(() => demo.printed().includes('Stop with Ctrl-C.'), 'Gatehouse is ready', 30_000),
    isOver,
  ])
  return demo
}

/** Does not wait for anything. */
export function spawnDemo(site: LaptopSite, options: DemoOptions = {}): DemoProcess {
  const preload = options.preload === undefined ? [] : ['--import', options.preload]
  const child = spawn(process.execPath, [...preload, launcher, 'demo', ...(options.flags ?? [])], {
    env: environmentOf(site, options),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { pid } = child
  if (pid === undefined) throw new Error('it was not started')
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  let isOver = false
  const ended = new Promise<number | undefined>((resolve) => {
    child.once('close', (code) => {
      isOver = true
      resolve(code ?? undefined)
    })
  })
  return {
    pid,
    ended,
    printed: () => printed,
    kill: (signal) => void child.kill(signal),
    peakMemory: () => peakOf(pid),
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill('SIGTERM')
      await ended
    },
  }
}

function environmentOf(
  site: LaptopSite,
  { hasCodeServer = false, isPasswordMade = false, keepsCompiled = false, env, pythonFolder }: DemoOptions,
): Record<string, string> {
  const jupyter = findPart('jupyter')
  const codeServer = findPart('code-server')
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('code-server'))
  if (hasCodeServer && codeServer.kind === 'found') path.unshift(dirname(codeServer.path))
  if (pythonFolder !== undefined) path.unshift(pythonFolder)
  // Where there is none, nothing is installed for a test.
  const venv = jupyter.kind === 'found' ? dirname(dirname(jupyter.path)) : join(site.home, 'none')
  return {
    PATH: path.join(delimiter),
    HOME: site.home,
    GATEHOUSE_PORT: String(site.port),
    GATEHOUSE_HOME: site.home,
    GATEHOUSE_DEMO_MANIFESTS: site.manifests,
    ...(isPasswordMade ? {} : { GATEHOUSE_DEMO_PASSWORD: site.password }),
    GATEHOUSE_ROUTING_MODE: site.mode,
    ...(keepsCompiled ? {} : { NODE_DISABLE_COMPILE_CACHE: '1' }),
    ...env,
    ...(pythonFolder === undefined ? { GATEHOUSE_JUPYTER_VENV: venv } : {}),
  }
}

/** `VmHWM` of proc_pid_status(5). */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  if (kilobytes === undefined) throw new Error('no peak of memory is told')
  return Number(kilobytes) * 1024
}
