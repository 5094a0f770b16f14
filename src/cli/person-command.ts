/** One command of the command line on a person's machine. */
import type { PersonIo } from '#cli/client/person-io.ts'

export interface PersonCommand {
  /** One line, for the list of commands. */
  readonly summary: string
  /** What `--help` prints. Completion finds the flags in it. */
  readonly help: string
  /** The exit code; throws {@link CliFault}. */
  readonly load: () => Promise<(args: readonly string[], io: PersonIo) => Promise<number>>
}
