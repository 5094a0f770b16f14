/** JupyterLab in a Python environment of its own, made once. */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GatewayError } from '#errors.ts'
import type { Clock } from '#lib/clock.ts'
import { isProgram } from './find-program.ts'
import { lockFile } from './install-lock.ts'
import { runStep, type StepOutcome } from './run-step.ts'

/** The one that Gatehouse is tested with. */
export const jupyterLabVersion = '4.6.6'

export interface VenvOptions {
  /** An environment can't be moved once it is made, so this is where it stays. */
  readonly folder: string
  /** Of whoever starts Gatehouse: pip may need its proxy and certificates. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly python?: string
  readonly say: (line: string) => void
  readonly clock: Clock
  /** Ends an installation at once; nothing is left of it. */
  readonly signal: AbortSignal
}

/** Written last, with the version: without it the folder is an installation that was cut short. */
const marker = 'installed'

/** The folder. Throws `not_installed` with what to do about it. */
export async function ensureJupyterVenv(options: VenvOptions): Promise<string> {
  const { clock, folder, say, signal } = options
  if (await isInstalled(folder)) return folder
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 })
  const onWait = (pid: number) => say(`JupyterLab is being installed by process ${pid}; waiting for it.`)
  await using _lock = await lockFile(`${folder}.lock`, { clock, signal, onWait })
  if (await isInstalled(folder)) return folder
  await using unfinished = await emptyPlaces(folder)
  await install(options, unfinished.scratch)
  unfinished.keep()
  return folder
}

interface Unfinished extends AsyncDisposable {
  /** For what pip unpacks on its way, and has no time to tidy up when it is ended. */
  readonly scratch: string
  keep(): void
}

/** Begins with nothing of an earlier attempt, and leaves nothing of this one unless it is to be kept. */
async function emptyPlaces(folder: string): Promise<Unfinished> {
  const scratch = `${folder}.tmp`
  let isKept = false
  const clear = async (path: string) => {
    // What was killed a moment ago may still be writing its last.
    await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
  await clear(folder)
  await clear(scratch)
  await mkdir(scratch, { mode: 0o700 })
  return {
    scratch,
    keep: () => {
      isKept = true
    },
    async [Symbol.asyncDispose]() {
      await clear(scratch)
      if (!isKept) await clear(folder)
    },
  }
}

/** Somebody's own environment: used as it is. Throws `not_installed` where there is no JupyterLab in it. */
export async function useJupyterVenv(folder: string): Promise<string> {
  const programs = ['python', 'jupyter-lab'].map((name) => join(folder, 'bin', name))
  for (const program of programs) {
    if (!(await isProgram(program))) throw new GatewayError('not_installed', `there is no ${program}`)
  }
  return folder
}

async function isInstalled(folder: string): Promise<boolean> {
  const version = await readFile(join(folder, marker), 'utf8').catch(() => undefined) // not there yet
  return version?.trim() === jupyterLabVersion && (await isProgram(join(folder, 'bin', 'python')))
}

async function install({ env, folder, python = 'python3', say, signal }: VenvOptions, scratch: string): Promise<void> {
  say(`Installing JupyterLab ${jupyterLabVersion} into ${folder}: once, for about half a minute.`)
  const step = { env: { ...env, TMPDIR: scratch }, signal, onLine: (line: string) => sayProgress(line, say) }
  say('  making a Python environment')
  const made = await runStep(python, ['-m', 'venv', folder], step)
  if (made.kind !== 'done') throw new GatewayError('not_installed', sayVenvFault(made, python))
  say('  fetching packages')
  const quiet = ['--disable-pip-version-check', '--no-input']
  const pip = ['-m', 'pip', 'install', ...quiet, `jupyterlab==${jupyterLabVersion}`]
  const fetched = await runStep(join(folder, 'bin', 'python'), pip, step)
  if (fetched.kind !== 'done') throw new GatewayError('not_installed', sayPipFault(fetched))
  await writeFile(join(folder, `${marker}.new`), `${jupyterLabVersion}\n`)
  await rename(join(folder, `${marker}.new`), join(folder, marker))
  say('  JupyterLab is installed')
}

/** pip prints a line for each of a hundred packages: only the one that takes long without a word is worth passing on. */
function sayProgress(line: string, say: (line: string) => void): void {
  if (line.startsWith('Installing collected packages')) say('  installing packages')
}

type Fault = Exclude<StepOutcome, { kind: 'done' }>

function sayVenvFault(fault: Fault, python: string): string {
  if (fault.kind === 'absent') return `there is no ${python} on PATH; on Debian: apt-get install python3 python3-venv`
  const said = fault.lastLines.join('\n')
  // What Debian's python3 says, and what a Python without the module says.
  if (/ensurepip is not|No module named '?(venv|ensurepip)/.test(said)) {
    return `${python} can't make environments; on Debian: apt-get install python3-venv`
  }
  return `${python} -m venv failed:\n${said}`
}

function sayPipFault(fault: Fault): string {
  return fault.kind === 'absent' ? 'the new environment has no python' : `pip failed:\n${fault.lastLines.join('\n')}`
}
