/** The chart, installed for real. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { kubeconfigPath } from '../cluster.ts'
import { gatewayImage } from './gateway-image.ts'

export const chartFolder = fileURLToPath(new URL('../../../charts/gatehouse', import.meta.url))

/** Its standard output; throws what it says when it fails. */
export async function helm(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('helm', [...args, '--kubeconfig', kubeconfigPath()])
  return stdout
}

export interface Release {
  readonly namespace: string
  readonly name: string
  /** Of the chart, as in `values.yaml`; the image is that of the tests. */
  readonly values: object
  /** For the file of values. */
  readonly folder: string
}

/** Installs it or brings it up to date, and waits until every replica is ready. */
export async function installRelease({ namespace, name, values, folder }: Release): Promise<void> {
  const [, repository = '', tag = ''] = /^(.*):([^:/]+)$/.exec(gatewayImage) ?? []
  const file = join(folder, `${name}.json`)
  await writeFile(file, JSON.stringify({ image: { repository, tag }, ...values }))
  const install = ['upgrade', '--install', name, chartFolder, '--namespace', namespace, '--skip-crds']
  await helm([...install, '--values', file, '--wait', '--timeout', '90s'])
}
