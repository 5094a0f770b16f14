/** What is known of the traffic at a port of a workspace before any of it has passed. */
import type { WorkspaceEntry } from '#workspace/directory.ts'
import type { WorkspacePort } from '#workspace/workspace.ts'
import { type AppProfile, profileOf } from './profile.ts'

export interface PortTraffic {
  /** What kind of app is behind it. */
  readonly profile: AppProfile
  /** It keeps the workspace from being stopped as idle. Otherwise it says nothing of who works there. */
  readonly isActivity: boolean
}

/** As the port says; where it says nothing, that of an app beside the IDE does not count, and whatever is not known to be one does. */
export function trafficAt(
  { workspace, ports }: Pick<WorkspaceEntry, 'workspace' | 'ports'>,
  port: WorkspacePort,
): PortTraffic {
  const { appType, image } = workspace.spec
  const isMain = port === ports[0]
  const profile = profileOf({ appType, image, portName: port.name, port: port.port, isMain })
  const isAppBeside = profile === 'streamlit' && !isMain
  return { profile, isActivity: port.activity === undefined ? !isAppBeside : port.activity === 'count' }
}
