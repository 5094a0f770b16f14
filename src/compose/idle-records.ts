/** Opens what is recorded of who worked, to be read by an administrator: at the API server, or in the folder of a laptop. */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { activityKind } from '#activity/activity-record.ts'
import type { RecordsPlace } from '#cli/idle.ts'
import { GatewayError } from '#errors.ts'
import { systemClock } from '#lib/clock.ts'
import type { Resources } from '#resources/contract.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { openApiClient } from '#resources/kubernetes/api-client.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { templateKind } from '#workspace/template.ts'
import { workspaceKind } from '#workspace/workspace.ts'
import { wireForms } from './wire-forms.ts'

export type OpenRecords = { readonly resources: Resources } & AsyncDisposable

/** Throws as a store does. */
export function openRecords(place: RecordsPlace): OpenRecords {
  return place.kind === 'cluster' ? ofCluster(place.kubeconfig) : ofLaptop(place.home)
}

function ofCluster(file: string): OpenRecords {
  const life = new AbortController()
  const client = openApiClient({
    access: kubeconfigAccess({ file, clock: systemClock }),
    clock: systemClock,
    signal: life.signal,
  })
  return {
    resources: kubernetesResources({
      client,
      keeping: wireForms,
      namespaces: undefined,
      onUnreadable: () => undefined,
    }),
    async [Symbol.asyncDispose]() {
      life.abort()
    },
  }
}

/** A Gatehouse that runs has its file for itself alone: a copy is read, for this user only, and gone afterwards. */
function ofLaptop(home: string): OpenRecords {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  const forget = () => rmSync(folder, { recursive: true, force: true })
  try {
    const file = copyStore(join(home, 'state.sqlite'), folder)
    const kinds = [activityKind, templateKind, workspaceKind]
    const signal = new AbortController().signal
    const store = openEmbeddedStore({ file, kinds, clock: systemClock, log: silent, signal })
    return {
      resources: store.resources,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]()
        forget()
      },
    }
  } catch (error) {
    forget()
    throw error
  }
}

/** What is wrong with the file is told by whoever has it for its own. */
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const mostTries = 5

/** The file and what was appended since: of one moment only if the file itself was not written meanwhile. */
function copyStore(file: string, folder: string): string {
  if (!existsSync(file)) throw new GatewayError('store_unavailable', `there is no ${file}: name the folder with --home`)
  const copy = join(folder, 'state.sqlite')
  for (let attempt = 1; attempt <= mostTries; attempt += 1) {
    const before = statSync(file)
    copyFileSync(file, copy)
    rmSync(`${copy}-wal`, { force: true })
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`)
    const after = statSync(file)
    if (before.mtimeMs === after.mtimeMs && before.size === after.size) return copy
  }
  throw new GatewayError('store_unavailable', `${file} is being written all the time`)
}
