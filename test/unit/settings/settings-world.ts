/** Settings loaded from text, with an environment and files made up for the test. */
import type { Flag } from '#settings/flags.ts'
import { loadSettings } from '#settings/load.ts'
import { sayProblem } from '#settings/problem.ts'
import type { Face } from '#settings/rules.ts'
import type { Settings } from '#settings/settings.ts'

export interface World {
  readonly file?: string
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly Flag[]
  readonly files?: Readonly<Record<string, string>>
  readonly face?: Face
}

export function load(world: World) {
  const files = new Map([
    ...Object.entries(world.files ?? {}),
    ...(world.file === undefined ? [] : [['/etc/gatehouse/settings.yaml', world.file] as const]),
  ])
  return loadSettings({
    face: world.face ?? 'serve',
    file: world.file === undefined ? undefined : '/etc/gatehouse/settings.yaml',
    env: world.env ?? {},
    flags: world.flags ?? [],
    cwd: '/home/me',
    readText: async (path) => {
      const text = files.get(path)
      if (text === undefined) throw new Error('ENOENT: no such file')
      return text
    },
  })
}

/** Each problem as it is said, without the folder. */
export async function problemsOf(world: World): Promise<readonly string[]> {
  const loaded = await load(world)
  if (loaded.kind === 'loaded') return []
  return loaded.problems.map((problem) => sayProblem(problem).replaceAll('/etc/gatehouse/', ''))
}

export async function settingsOf(world: World): Promise<Settings> {
  const loaded = await load(world)
  if (loaded.kind === 'loaded') return loaded.settings
  throw new Error(loaded.problems.map(sayProblem).join('\n'))
}

/** The least that a gateway needs. */
export const least = `
domain: ws.example.com
oidc:
  - {id: main, issuer: "https://idp.example.com", clientId: gatehouse}
`
