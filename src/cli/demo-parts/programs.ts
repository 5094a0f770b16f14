/** What this machine has of the programs that workspaces run, installing the one that can be. */
import { join } from 'node:path'
import { GatewayError } from '#errors.ts'
import { type Clock, systemClock } from '#lib/clock.ts'
import type { LocalPrograms } from '#operator/apps.ts'
import { type Environment, jupyterVenvVariable } from '#settings/environment.ts'
import { findProgram, isProgram } from './find-program.ts'
import { ensureJupyterVenv, useJupyterVenv } from './jupyter-venv.ts'

export interface FindProgramsOptions {
  readonly settings: { readonly home: string }
  readonly env: Environment
  readonly userId: number | undefined
  /** Progress, for who waits. */
  readonly say: (line: string) => void
  readonly clock?: Clock
  readonly signal: AbortSignal
}

/** A program that can't be had is no reason not to start: the workspaces that need it say what is wrong. */
export async function findPrograms(options: FindProgramsOptions): Promise<LocalPrograms> {
  const { env, userId } = options
  const path = env.PATH ?? ''
  return {
    jupyter: await findJupyter(options),
    codeServer: await findProgram('code-server', path),
    shell: await findShell(env),
    isRoot: userId === 0,
  }
}

async function findJupyter(options: FindProgramsOptions): Promise<LocalPrograms['jupyter']> {
  const { clock = systemClock, env, say, settings, signal } = options
  const given = env[jupyterVenvVariable]
  try {
    const venv = given
      ? await useJupyterVenv(given)
      : await ensureJupyterVenv({ folder: join(settings.home, 'jupyter'), env, say, clock, signal })
    return { kind: 'ready', venv }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const source = given ? ` (${jupyterVenvVariable})` : ''
    say(`JupyterLab is not installed${source}: ${error.message}`)
    return { kind: 'missing', install: `JupyterLab is not installed${source}: ${error.message}` }
  }
}

async function findShell(env: Environment): Promise<string | undefined> {
  for (const shell of [env.SHELL, '/bin/bash']) {
    if (shell !== undefined && (await isProgram(shell))) return shell
  }
  return undefined
}
