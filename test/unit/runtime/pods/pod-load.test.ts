import { describe, expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import type { ApiClient } from '#resources/kubernetes/api-client.ts'
import { ApiFault } from '#resources/kubernetes/api-fault.ts'
import { readMetrics, readPodLoad } from '#runtime/pods/pod-load.ts'
import { cpuOf } from '#runtime/pods/quantity.ts'
import { pod } from '#test/support/pod-objects.ts'

const timestamp = '2026-11-22T02:00:00Z'
const metrics = (containers: object[], more: object = {}) => ({ timestamp, window: '15.023s', containers, ...more })
const workspace = (cpu: unknown) => ({ name: 'workspace', usage: { cpu } })

describe('what the metrics API says of a pod', () => {
  test('is the sum of its containers, over a span, beside the limit of all of them', () => {
    const limited = pod({
      spec: {
        containers: [
          { name: 'workspace', resources: { limits: { cpu: '1500m' } } },
          { name: 'side', resources: { limits: { cpu: 1 } } },
        ],
      },
    })
    const told = readMetrics(metrics([workspace('250m'), { name: 'side', usage: { cpu: '1000000n' } }]), limited)
    expect(told).toEqual({ kind: 'used', at: Date.parse(timestamp), span: 15_023, cores: 0.251, limit: 2.5 })
    expect(readMetrics(metrics([workspace('0')]), pod())).toMatchObject({ kind: 'used', cores: 0, limit: undefined })
  })

  test.each<[claim: string, value: unknown]>([
    ['nothing', undefined],
    ['no time', metrics([workspace('1')], { timestamp: undefined })],
    ['no span', metrics([workspace('1')], { window: 'soon' })],
    ['no containers', metrics([])],
    ['not the one that people work in', metrics([{ name: 'side', usage: { cpu: '1' } }])],
    ['no number', metrics([workspace('much')])],
    ['less than nothing', metrics([workspace('-1')])],
  ])('is none where it says %s', (_, value) => {
    expect(readMetrics(value, pod())).toMatchObject({ kind: 'missing', isPassing: true })
  })

  test.each<[claim: string, error: Error, isEverywhere: boolean, isPassing: boolean, says: string]>([
    ['403', new ApiFault('store_refused', 403, said('')), true, false, 'no right'],
    ['401', new ApiFault('store_refused', 401, said('')), true, true, 'does not answer'],
    ['404 of an API that is not there', new ApiFault('not_found', 404, said('')), true, false, 'no metrics API'],
    ['404 of one pod', new ApiFault('not_found', 404, said('nb-0')), false, true, 'no figures of its pod'],
    ['503', new ApiFault('store_unavailable', 503, said('')), true, true, 'does not answer'],
    ['nothing at all', new GatewayError('store_unavailable', 'no connection'), true, true, 'does not answer'],
  ])('is missing where it answers %s', async (_, error, isEverywhere, isPassing, says) => {
    const client = { get: () => Promise.reject(error) } as unknown as ApiClient
    const told = await readPodLoad(client, pod(), new AbortController().signal)
    expect(told).toMatchObject({ kind: 'missing', problem: expect.stringContaining(says) })
    expect(told.kind === 'missing' && told.isEverywhere === true).toBe(isEverywhere)
    expect(told.kind === 'missing' && told.isPassing === true).toBe(isPassing)
  })
})

function said(name: string) {
  return { message: 'x', reason: 'NotFound', kind: 'pods', name, retryAfterSeconds: undefined, isOtherUid: false }
}

test('processors are counted as Kubernetes writes them', () => {
  const written = ['1', 2, '0.5', '.5', '100m', '12345678n', '7u', '1e-3', '+2', '1k', '0']
  expect(written.map(cpuOf)).toEqual([1, 2, 0.5, 0.5, 0.1, 0.012345678, 7e-6, 1e-3, 2, 1000, 0])
  for (const wrong of ['', 'm', '-1', '1Mi', '1 m', 'NaN', Number.NaN, -1, null, {}])
    expect(cpuOf(wrong)).toBeUndefined()
})
