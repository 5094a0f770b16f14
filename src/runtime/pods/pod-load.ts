/**
 * What a pod uses of the processors, as the metrics API says it (metrics.k8s.io/v1beta1, PodMetrics), where a cluster has one. It knows pods by their
 * names alone; figures of a namesake are told apart by their time.
 */
import { GatewayError, messageOf } from '#errors.ts'
import type { Milliseconds } from '#lib/clock.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { ApiFault } from '#resources/kubernetes/api-fault.ts'
import { resourcePath } from '#resources/kubernetes/resource-path.ts'
import type { LoadReading } from '#runtime/contract.ts'
import { fieldsOf, objectsOf, textOf, timeOf } from './json-fields.ts'
import type { Pod } from './pod.ts'
import { cpuOf } from './quantity.ts'

const podMetrics = { group: 'metrics.k8s.io', version: 'v1beta1', plural: 'pods' }
const answerWithin: Milliseconds = 5_000

/** Never rejects but by the signal. */
export async function readPodLoad(client: ApiClient, pod: Pod, signal: AbortSignal): Promise<LoadReading> {
  const { namespace, name } = pod.metadata
  try {
    const path = resourcePath(podMetrics, { namespace, name })
    return readMetrics(await client.get(path, { signal, within: answerWithin }), pod)
  } catch (error) {
    signal.throwIfAborted()
    return refusal(error)
  }
}

export function readMetrics(value: unknown, pod: Pod): LoadReading {
  const { timestamp, window, containers } = fieldsOf(value)
  const [at, span] = [timeOf(timestamp), spanOf(textOf(window))]
  if (at === undefined || span === undefined) return unreadable('its figures have no time')
  const used = new Map(objectsOf(containers).map(({ name, usage }) => [textOf(name), cpuOf(fieldsOf(usage).cpu)]))
  if (pod.main === undefined || !used.has(pod.main.name))
    return unreadable('its figures leave out the container that people work in')
  let cores = 0
  for (const part of used.values()) {
    if (part === undefined) return unreadable('its figures can not be read')
    cores += part
  }
  return { kind: 'used', at, span, cores, limit: pod.cpuLimit }
}

/** It says something, which may be better the next time. */
function unreadable(problem: string): LoadReading {
  return { kind: 'missing', problem, isPassing: true }
}

/** Only that there is no such API here, or no right to it, lasts: whatever else it is says nothing of what runs. */
function refusal(error: unknown): LoadReading {
  if (!(error instanceof GatewayError)) return unreadable(messageOf(error))
  const answered = error instanceof ApiFault ? error.answered : undefined
  if (answered === 403) {
    const problem = 'Gatehouse has no right to read them (metrics.k8s.io, get pods)'
    return { kind: 'missing', problem, isEverywhere: true }
  }
  if (answered === 404) {
    // Of a pod it says which one it does not know; of an API that is not there nobody says anything.
    return error instanceof ApiFault && error.about.name !== ''
      ? unreadable('there are no figures of its pod')
      : { kind: 'missing', problem: 'the cluster has no metrics API', isEverywhere: true }
  }
  const problem = `the metrics API does not answer: ${error.message}`
  return { kind: 'missing', problem, isEverywhere: true, isPassing: true }
}

/** As Go prints it: `15.023s`, `1m0s`. */
function spanOf(text: string): Milliseconds | undefined {
  const [whole, hours = 0, minutes = 0, seconds = 0] =
    /^(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?$/.exec(text) ?? []
  if (!whole) return undefined
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
}
