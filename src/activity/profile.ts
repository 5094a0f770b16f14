/** What kind of app a workspace is, as far as its traffic is concerned. */
export type AppProfile = 'jupyterlab' | 'code-editor' | 'rstudio' | 'streamlit' | 'generic'

/** The names by which `spec.appType` says it, in small letters. */
const names: ReadonlyMap<string, AppProfile> = new Map([
  ...(['jupyterlab', 'jupyter', 'notebook', 'jupyter-notebook', 'lab'] as const).map(
    (name) => [name, 'jupyterlab'] as const,
  ),
  ...(['code-editor', 'codeeditor', 'code-server', 'vscode', 'openvscode-server'] as const).map(
    (name) => [name, 'code-editor'] as const,
  ),
  ...(['rstudio', 'rstudio-server'] as const).map((name) => [name, 'rstudio'] as const),
  ['streamlit', 'streamlit'],
])

/** `generic` for what is absent or not known. */
export function profileOf(appType: string | undefined): AppProfile {
  return names.get(appType?.toLowerCase() ?? '') ?? 'generic'
}
