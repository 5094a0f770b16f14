/** `gatehouse` on the machine of a person: real processes of the real program, with a home of their own. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ScriptedBrowser } from './browser-session.ts'
import { decide } from './command-line-login.ts'
import { eventually } from './laptop-site.ts'

export interface Ran {
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand extends AsyncDisposable {
  readonly pid: number
  stdout(): string
  stderr(): string
  type(text: string): void
  /** The end of what is typed. */
  end(): void
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ran>
}

export interface PersonMachine extends AsyncDisposable {
  /** Absolute; everything of Gatehouse's is below it. */
  readonly home: string
  readonly configFolder: string
  begin(args: readonly string[], env?: Readonly<Record<string, string>>): RunningCommand
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>
  /** `gatehouse login` in front of a browser that is logged in at the console, up to the end. */
  login(browser: ScriptedBrowser, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>
  /** The same, for arguments that say `login` themselves. */
  loginBy(browser: ScriptedBrowser, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ran>
}

export interface MachineOptions {
  /** The program and its first arguments; `bin/gatehouse.js` by this Node when absent. */
  readonly program?: readonly [string, ...string[]]
  readonly env?: Readonly<Record<string, string>>
}

const launcher = join(import.meta.dirname, '../../bin/gatehouse.js')
/** Of the tests alone: each starts the program many times, and to read its source takes longer than all else. */
const compiled = join(import.meta.dirname, '../../artefacts/compile-cache')

export async function personMachine(options: MachineOptions = {}): Promise<PersonMachine> {
  const home = await mkdtemp(join(tmpdir(), 'gh-person-'))
  const [program, ...first] = options.program ?? [process.execPath, launcher]
  const base = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    // Something that "opens" every address, and shows it to nobody.
    BROWSER: 'true',
    NODE_COMPILE_CACHE: compiled,
    ...options.env,
  }
  const begin = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    running(program, [...first, ...args], { ...base, ...env })
  const loginBy: PersonMachine['loginBy'] = async (browser, args, env) => {
    await using command = begin(args, env)
    await browser.open(await addressIn(command))
    await decide(browser, 'allow')
    return await command.ended
  }
  return {
    home,
    configFolder: join(home, '.config', 'gatehouse'),
    begin,
    run: (args, env) => begin(args, env).ended,
    login: (browser, args, env) => loginBy(browser, ['login', ...args], env),
    loginBy,
    [Symbol.asyncDispose]: () => rm(home, { recursive: true, force: true }),
  }
}

/** The address that it asks to open. */
export async function addressIn(command: RunningCommand): Promise<string> {
  const found = () => /^ {2}(http\S+)\n/m.exec(command.stderr())?.[1]
  const isOver = command.ended.then(({ stderr }) => {
    throw new Error(`it ended before it asked for a browser: ${stderr}`)
  })
  await Promise.race([eventually(() => found() !== undefined, 'an address to open'), isOver])
  isOver.catch(() => undefined)
  return found() ?? ''
}

function running(program: string, args: readonly string[], env: Readonly<Record<string, string>>): RunningCommand {
  const child = spawn(program, args, { env, stdio: 'pipe' })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  // It may end without having read what was typed.
  child.stdin.on('error', () => undefined)
  let isOver = false
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      isOver = true
      resolve({ code: code ?? undefined, ...said })
    })
  })
  return {
    pid: child.pid ?? 0,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    type: (text) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      if (!isOver) child.kill('SIGKILL')
      await ended
    },
  }
}
