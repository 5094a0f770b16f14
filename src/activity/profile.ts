/** What kind of app is behind a port, as far as its traffic is concerned. */

export type AppProfile = 'jupyterlab' | 'code-editor' | 'rstudio' | 'streamlit' | 'generic'

/** The names by which `spec.appType`, or a port, says it; in small letters. */
const names: Readonly<Record<Exclude<AppProfile, 'generic'>, readonly string[]>> = {
  jupyterlab: ['jupyterlab', 'jupyter', 'notebook', 'jupyter-notebook', 'lab'],
  'code-editor': ['code-editor', 'codeeditor', 'code-server', 'vscode', 'openvscode-server'],
  rstudio: ['rstudio', 'rstudio-server'],
  streamlit: ['streamlit'],
}

const byName: ReadonlyMap<string, AppProfile> = new Map(
  profilesOf(names).flatMap(([profile, known]) => known.map((name) => [name, profile] as const)),
)

/** By the end of an image's name, without its registry, tag and digest. What runs several kinds of app is not here. */
const images: readonly (readonly [RegExp, AppProfile])[] = [
  [/^(?:jupyterlab|jupyter|.+-notebook)$/, 'jupyterlab'],
  [/^(?:code-server|openvscode-server|code-editor)$/, 'code-editor'],
  [/^(?:rstudio|rstudio-server)$/, 'rstudio'],
  [/^streamlit$/, 'streamlit'],
]

/** Ports by which an app is known of which nothing else is. */
const ports: ReadonlyMap<number, AppProfile> = new Map([
  [8787, 'rstudio'],
  [8501, 'streamlit'],
])

export interface AppTraits {
  readonly appType: string | undefined
  readonly image: string | undefined
  readonly portName: string
  readonly port: number
  /** What `appType` and `image` speak of is behind the main port. */
  readonly isMain: boolean
}

/** `generic` for what is not known. */
export function profileOf({ appType, image, portName, port, isMain }: AppTraits): AppProfile {
  const named = isMain && appType !== undefined ? (byName.get(appType.toLowerCase()) ?? 'generic') : undefined
  const built = isMain ? byImage(image) : undefined
  return named ?? built ?? byName.get(portName) ?? ports.get(port) ?? 'generic'
}

function byImage(image: string | undefined): AppProfile | undefined {
  const name = image?.split('@', 1)[0]?.split('/').at(-1)?.split(':', 1)[0] ?? ''
  return images.find(([pattern]) => pattern.test(name))?.[1]
}

function profilesOf(table: typeof names) {
  return [
    ['jupyterlab', table.jupyterlab],
    ['code-editor', table['code-editor']],
    ['rstudio', table.rstudio],
    ['streamlit', table.streamlit],
  ] as const
}
