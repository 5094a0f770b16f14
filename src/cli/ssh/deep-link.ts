/**
 * Addresses that open a folder of a workspace in a desktop IDE. Pure. None holds a credential: the IDE runs ssh by the alias, and what ssh is configured with brings
 * the login of the person.
 */

export interface Place {
  readonly alias: string
  readonly user: string
  /** Absolute, within the workspace. */
  readonly path: string
}

export interface Ide {
  /** As a tunnel's and a share's kind of connection. */
  readonly connectionType: string
  /** It is VS Code with Remote-SSH, which doctor looks for. */
  readonly isVsCode: boolean
  link(place: Place): string
}

/** All that are made of VS Code take its own form, by a scheme of their own. */
function ofVsCode(scheme: string): Ide {
  return {
    connectionType: `${scheme}-remote`,
    isVsCode: scheme === 'vscode',
    link: ({ alias, path }) => `${scheme}://vscode-remote/ssh-remote+${alias}${encoded(path)}?windowId=_blank`,
  }
}

export const ides: ReadonlyMap<string, Ide> = new Map<string, Ide>([
  ...['vscode', 'vscode-insiders', 'vscodium', 'cursor', 'windsurf'].map(
    (scheme) => [scheme, ofVsCode(scheme)] as const,
  ),
  [
    'zed',
    {
      ...{ connectionType: 'zed-remote', isVsCode: false },
      link: ({ alias, user, path }) => `zed://ssh/${user}@${alias}${encoded(path)}`,
    },
  ],
  [
    'jetbrains',
    {
      ...{ connectionType: 'jetbrains-remote', isVsCode: false },
      link: ({ alias, user, path }) =>
        `jetbrains-gateway://connect#type=ssh&host=${alias}&port=22&user=${user}&projectPath=${encodeURIComponent(path)}&deploy=true`,
    },
  ],
])

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
