/** This machine, as commands of a person see it. What few of them ask for is loaded when they do: ssh waits for one that asks for none of it. */
import { existsSync, realpathSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { delimiter, isAbsolute, join } from 'node:path'
import type { PersonIo } from '#cli/client/person-io.ts'
import { systemClock } from '#lib/clock.ts'

/** Ctrl-C and a hang-up end what runs, in its own time; a second one at once. Disposing takes the handlers away. */
export function personMachine(program: NodeJS.Process): { readonly io: PersonIo } & Disposable {
  const ending = new AbortController()
  const stop = () => {
    if (ending.signal.aborted) program.exit(130)
    ending.abort(new Error('interrupted'))
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) program.on(name, stop)
  const { env, platform } = program
  let isWritten = false
  const stdout = () => {
    // Whoever reads the results may have seen enough: `gatehouse list | head -1`.
    if (!isWritten) program.stdout.on('error', () => program.exit(0))
    isWritten = true
    return program.stdout
  }
  const io: PersonIo = {
    stdout: { write: (text) => stdout().write(text) },
    stderr: { write: (text) => program.stderr.write(text) },
    ...{ env, platform },
    homeFolder: homedir(),
    machine: hostname(),
    program: () => startOf(program),
    cwd: () => program.cwd(),
    clock: systemClock,
    signal: ending.signal,
    readLine: () => readLine(program),
    pipe: () => ({ input: program.stdin, output: stdout() }),
    openBrowser: (url) => openBrowser(url, { platform, env }),
  }
  return {
    io,
    [Symbol.dispose]() {
      for (const name of signals) program.off(name, stop)
    },
  }
}

/**
 * Node by the name that it has on the PATH, where that is this one: those that a package manager keeps last longer than where they lead to. Always by an absolute
 * path: a bare name is looked for in the current folder first on Windows, which may be one that somebody else has filled.
 */
export function startOf({
  execPath,
  argv,
  env,
  platform,
}: Pick<NodeJS.Process, 'execPath' | 'argv' | 'env' | 'platform'>): readonly string[] {
  const [, script = ''] = argv
  if (platform === 'win32') return [execPath, script]
  const own = (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, 'node'))
    .find((path) => existsSync(path) && realpathSync(path) === execPath)
  return [own ?? execPath, script]
}

async function readLine({ stdin }: NodeJS.Process): Promise<string | undefined> {
  const { createInterface } = await import('node:readline')
  return new Promise((resolve) => {
    const lines = createInterface({ input: stdin })
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
      // A pipe that nobody closes would keep the process.
      stdin.destroy()
    })
    lines.once('close', () => resolve(undefined))
  })
}

/** By the program that the system has for it; `BROWSER` names another one. What it prints is nobody's. */
async function openBrowser(url: string, { platform, env }: Pick<PersonIo, 'platform' | 'env'>): Promise<boolean> {
  const [program, ...args] = browserCommand(url, { platform, env }) ?? []
  if (program === undefined) return false
  const { spawn } = await import('node:child_process')
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore', detached: true, windowsHide: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}

/** `undefined` where nobody could see it: no display, or a shell on another machine. Never by a shell, which would read the URL. */
export function browserCommand(
  url: string,
  { platform, env }: Pick<PersonIo, 'platform' | 'env'>,
): readonly [string, ...string[]] | undefined {
  const own = env.BROWSER ?? ''
  if (own !== '') return [own, url]
  if (platform === 'darwin') return ['open', url]
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url]
  const display = `${env.DISPLAY ?? ''}${env.WAYLAND_DISPLAY ?? ''}`
  return display === '' ? undefined : ['xdg-open', url]
}
