/** What `gatehouse doctor` asks of a machine. Checks are made of the answers alone, so that machines that are not here can be played. */

export interface ProgramAnswer {
  /** `undefined` when a signal ended it. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface Probes {
  /** As `process.platform` has it. */
  readonly platform: string
  /** As `os.release()` has it. */
  readonly release: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** `undefined`: there is no such program. A bare name is looked for on the PATH. */
  run(program: string, args: readonly string[]): Promise<ProgramAnswer | undefined>
  /** `undefined`: there is none. */
  read(path: string): Promise<string | undefined>
}

export type Verdict =
  /** It is there, and good enough. */
  | 'ok'
  /** It is not, or not good enough: without it something will not work. */
  | 'missing'
  /** It is not known, and may work. */
  | 'unknown'

export interface Finding {
  /** For machines: `vscode`, `remote-ssh`, `ssh`, … */
  readonly check: string
  readonly verdict: Verdict
  /** What was found. */
  readonly found: string
  /** How to install or mend what is missing. */
  readonly remedy?: string
  /** This check was never tried on a real system of this kind. */
  readonly untested?: boolean
}

/** Systems on which the checks of this version have run. */
const tried: ReadonlySet<string> = new Set(['linux'])

/** Says of findings on other systems that they were tested with played machines alone. */
export function markUntried(finding: Finding, { platform }: Probes): Finding {
  return tried.has(platform) ? finding : { ...finding, untested: true }
}

/** Numbers of a version in order; nothing behind them. */
export function versionIn(text: string): readonly number[] | undefined {
  const found = /\d+(?:\.\d+)+|\d+/.exec(text)?.[0]
  return found?.split('.').map(Number)
}

export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (const [at, wanted] of least.entries()) {
    const own = version[at] ?? 0
    if (own !== wanted) return own > wanted
  }
  return true
}
