/** Every check that can be switched off, and what that lets happen: said in the settings, and in the log at each start. */

export const insecureMeanings = {
  insecureHttpIssuer: 'Issuers may be reached over plain HTTP: whoever is on the way can log in as anybody.',
  insecureHttpExternal: 'Browsers may use plain HTTP on a name other than localhost: cookies can be read on the way.',
  insecureWideBind: 'Plain listeners may be reached from other machines: whoever is on the way reads everything.',
  insecureTrustEveryProxy: 'Every peer is believed about client addresses: anybody can claim any of them.',
  insecureDirectSsh:
    'SSH of workspaces is reached at a port of their pods, without an agent: what else reaches that port reaches their SSH server.',
  'cluster.insecureOwnerAnnotation':
    'Owners are who an annotation names, although no admission policy keeps others from writing it.',
  'routing.insecureSharedOrigin':
    'Path mode on one name with the console: every workspace can act there as whoever visits it.',
} as const

export type InsecureName = keyof typeof insecureMeanings

export interface InsecureChoice {
  readonly name: InsecureName
  /** What it lets happen. */
  readonly meaning: string
}

/** The choices in force, for a line each in the log at start. */
export function insecureChoices(settings: { readonly insecure: readonly InsecureName[] }): readonly InsecureChoice[] {
  return settings.insecure.map((name) => ({ name, meaning: insecureMeanings[name] }))
}
