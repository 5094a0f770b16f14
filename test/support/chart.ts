/** The chart as `helm` renders it, without anything being installed. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

const folder = fileURLToPath(new URL('../../charts/gatehouse', import.meta.url))

export interface Rendering {
  readonly release: string
  readonly namespace: string
  readonly values: object
}

/** An object as it is rendered; what a test looks at of it, it says. */
export interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

export interface HelmResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The least that must be said. */
export const leastValues = {
  manager: { spec: { domain: 'ws.example.com', oidc: [{ issuer: 'https://idp.example.com', clientId: 'gatehouse' }] } },
}

/** `helm COMMAND … CHART`, with these values beside those of the chart. */
export async function tryHelm(command: readonly string[], values: object): Promise<HelmResult> {
  const child = spawn('helm', [...command, folder, '--values', '-'])
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? -1))
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(JSON.stringify(values))
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}

/** As text, in documents of YAML; throws what helm says when it fails. */
export async function renderText({ release, namespace, values }: Rendering): Promise<string> {
  const { code, stdout, stderr } = await tryHelm(['template', release, '--namespace', namespace], values)
  if (code !== 0) throw new Error(stderr)
  return stdout
}

export async function render<T extends Rendered = Rendered>(rendering: Rendering): Promise<readonly T[]> {
  return objectsIn<T>(await renderText(rendering))
}

export function objectsIn<T extends Rendered = Rendered>(yaml: string): readonly T[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    const object: T | null = document.toJS()
    return object === null ? [] : [object]
  })
}
