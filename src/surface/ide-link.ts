/**
 * Addresses that open a folder of a workspace in a desktop IDE, as the console shows them and the command line opens them. Pure. None holds a credential: the
 * IDE runs ssh by the alias, and what ssh is configured with brings the login of the person.
 */
import type { Brand } from '#lib/brand.ts'

/** A folder of a workspace as an address can name it. Made by {@link parseFolder} alone. */
export type Folder = Brand<string, 'Folder'>

export interface Place {
  readonly alias: string
  readonly user: string
  readonly path: Folder
}

export interface Ide {
  /** What people call it. */
  readonly label: string
  /** As a tunnel's and a share's kind of connection. */
  readonly connectionType: string
  /** It is VS Code with Remote-SSH, which doctor looks for. */
  readonly isVsCode: boolean
  link(place: Place): string
}

/** All that are made of VS Code take its own form, by a scheme of their own. */
function ofVsCode(scheme: string, label: string): Ide {
  return {
    label,
    connectionType: `${scheme}-remote`,
    isVsCode: scheme === 'vscode',
    link: ({ alias, path }) => `${scheme}://vscode-remote/ssh-remote+${alias}${encoded(path)}?windowId=_blank`,
  }
}

/**
 * An absolute path; `undefined` for any other text, and for one with steps back: whoever reads an address takes them before he looks who it leads to, so that
 * they could lead past the alias to another host (URL standard, "path state").
 */
export function parseFolder(text: string): Folder | undefined {
  const isPath = text.startsWith('/') && text.length <= longestFolder && !/\p{Cc}/u.test(text) && text.isWellFormed()
  const hasDots = text.split('/').some((step) => step === '.' || step === '..')
  return isPath && !hasDots ? (text as Folder) : undefined // It was looked at just now.
}

export const longestFolder = 1024

export const ides: ReadonlyMap<string, Ide> = new Map<string, Ide>([
  ['vscode', ofVsCode('vscode', 'VS Code')],
  ['vscode-insiders', ofVsCode('vscode-insiders', 'VS Code Insiders')],
  ['vscodium', ofVsCode('vscodium', 'VSCodium')],
  ['cursor', ofVsCode('cursor', 'Cursor')],
  ['windsurf', ofVsCode('windsurf', 'Windsurf')],
  [
    'zed',
    {
      ...{ label: 'Zed', connectionType: 'zed-remote', isVsCode: false },
      link: ({ alias, user, path }) => `zed://ssh/${user}@${alias}${encoded(path)}`,
    },
  ],
  [
    'jetbrains',
    {
      ...{ label: 'JetBrains Gateway', connectionType: 'jetbrains-remote', isVsCode: false },
      link: ({ alias, user, path }) =>
        `jetbrains-gateway://connect#type=ssh&host=${alias}&port=22&user=${user}&projectPath=${encodeURIComponent(path)}&deploy=true`,
    },
  ],
])

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
