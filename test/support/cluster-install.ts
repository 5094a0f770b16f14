/** What an administrator installs into the cluster before the gateway, from `config/`: for tests, as often and by as many at once as they like. */
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { kubectl, tryKubectl } from './cluster.ts'

const configFolder = fileURLToPath(new URL('../../config', import.meta.url))

/** Every custom resource of `config/crd`, served when this returns. They stay in the cluster. */
export async function installCrds(): Promise<void> {
  await applyAgain(['-k', `${configFolder}/crd`])
  const kinds = (await kubectl(['kustomize', `${configFolder}/crd`])).matchAll(/^ {2}name: (\S+\.\S+)$/gm)
  const names = [...kinds].map(([, name = '']) => `crd/${name}`)
  await kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...names])
}

/** Two processes that apply one object at the same instant: one of them is told to try again. */
async function applyAgain(what: readonly string[], input?: readonly object[]): Promise<void> {
  const args = ['apply', '--server-side', '--force-conflicts', '--field-manager=gatehouse-tests', ...what]
  for (let attempt = 1; ; attempt++) {
    const { code, stdout, stderr } = await tryKubectl(args, input ? { input } : {})
    if (code === 0) return
    const isRace = /Conflict|has been modified|AlreadyExists|already exists/.test(stderr)
    if (!isRace || attempt === 10) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr || stdout}`)
    await delay(100 * attempt)
  }
}
