/** The last words of a pod's main container, as far as Gatehouse may read them. */
import { stripVTControlCharacters } from 'node:util'
import { GatewayError } from '#errors.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import type { Pod } from './pod.ts'

/** Bytes. */
const longestLog = 256 * 1024

/** Of the run before where the present one has not begun: why it ended is what is asked for. Throws `store_unavailable`. */
export async function readPodLog(client: ApiClient, pod: Pod, lines: number): Promise<readonly string[]> {
  if (!pod.main) return []
  const hasCrashed = pod.main.state.kind === 'waiting' && pod.main.last !== undefined
  try {
    return await read(client, pod, pod.main.name, lines, hasCrashed)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    switch (error.code) {
      case 'store_refused':
        return ['Gatehouse has no right to read the logs of pods here (pods/log, get).']
      // It has not begun, or what it had to say is gone with it.
      case 'invalid_resource':
      case 'not_found':
        return []
      default:
        throw error
    }
  }
}

async function read(
  client: ApiClient,
  { metadata }: Pod,
  container: string,
  lines: number,
  previous: boolean,
): Promise<readonly string[]> {
  const path = resourcePath(
    { group: '', version: 'v1', plural: 'pods' },
    {
      ...{ namespace: metadata.namespace, name: metadata.name, subresource: 'log' },
      query: { container, tailLines: lines, limitBytes: longestLog, previous: previous || undefined },
    },
  )
  const text = stripVTControlCharacters(await client.text(path, { longest: longestLog }))
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => line.replace(/\r$/, ''))
    .filter((line, _, all) => all.length > 1 || line !== '')
}
