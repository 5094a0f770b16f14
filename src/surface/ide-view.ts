/** What the console says of a workspace to somebody who would open it in a desktop IDE. */
import type { WorkspaceView } from './messages.ts'

export interface IdeView extends Pick<WorkspaceView, 'namespace' | 'name' | 'displayName' | 'state'> {
  readonly canStart: boolean
  /** Of the gateway, for its own command line. */
  readonly origin: string
  /** What ssh calls it. */
  readonly alias: string
  /** Who somebody is within. */
  readonly user: string
  /** Why nobody comes by ssh, for people; absent where somebody can. */
  readonly sshRefusal?: string
  /** By the names of `ides`. */
  readonly ways: readonly IdeWay[]
}

export interface IdeWay {
  readonly ide: string
  /** Why it can't be opened there, for people; absent where it can. */
  readonly refusal?: string
}
