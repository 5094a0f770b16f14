/** One command of the command line on a person's machine. */
import type { PersonIo } from '#cli/client/person-io.ts'

export interface PersonCommand {
  /** One line, for the list of commands. */
  readonly summary: string
  /** Run by ssh or by a pod, and not by somebody at a keyboard. */
  readonly isForPrograms?: true
  /** Another name for the same: it is not listed twice. */
  readonly isAlias?: true
  /** What `--help` prints. Completion finds the flags in it. */
  readonly help: string
  /** What a flag may be, for completion: `--ide`. */
  readonly values?: ReadonlyMap<string, readonly string[]>
  /** The exit code; throws {@link CliFault}. */
  readonly load: () => Promise<(args: readonly string[], io: PersonIo) => Promise<number>>
}
