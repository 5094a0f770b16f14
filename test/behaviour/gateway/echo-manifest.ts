/** Manifests of workspaces whose app is a real process of Node. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { createdByAnnotation } from '#workspace/workspace.ts'

const program = join(import.meta.dirname, '../../support/echo-program.ts')

export interface EchoManifest {
  readonly name: string
  readonly namespace: string
  readonly owner: string
  readonly ports: readonly { readonly name: string; readonly port: number; readonly [field: string]: unknown }[]
  readonly env?: readonly { readonly name: string; readonly value: string }[]
}

/** It is to run as soon as the file is seen. */
export async function writeEchoManifest(folder: string, manifest: EchoManifest): Promise<void> {
  const { name, namespace, owner, ports, env = [] } = manifest
  const sockets = ports.map(({ port }) => `${port}=\${SOCKET_${port}}`)
  const document = {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'Workspace',
    metadata: { name, namespace, annotations: { [createdByAnnotation]: owner } },
    spec: {
      desiredStatus: 'Running',
      containerConfig: { command: [process.execPath, program, ...sockets] },
      ports,
      env,
    },
  }
  await writeFile(join(folder, `${namespace}-${name}.yaml`), stringify(document))
}
