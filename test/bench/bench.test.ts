/** The benchmark's command, as somebody calls it who wants to know how it is on his machine. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { describeWith } from '#test/support/real-parts.ts'

const others = ['nginx_auth_request', 'configurable_http_proxy']

describeWith('nginx', 'npm run bench', () => {
  describeWith('wrk', 'with wrk', () => {
    test('[JK24.2] prints what latency is added, its p50 and p99, and requests a second beside configurable-http-proxy and nginx auth_request', async () => {
      const command = fileURLToPath(new URL('./bench.ts', import.meta.url))
      // What is printed is the claim; others may be at work here.
      const args = ['--json', '--rounds', '1', '--seconds', '1', '--warm', '2', '--parts', 'rate', '--busy', '0.2']
      const only = ['--only', ['gatehouse', ...others].join(',')]
      const { stdout } = await promisify(execFile)(process.execPath, [command, ...args, ...only])
      const found = JSON.parse(stdout)
      for (const name of ['gatehouse', ...others]) {
        expect(found.requests_per_second[name]).toBeGreaterThan(100)
        expect(found.p99_ms[name].median).toBeGreaterThan(0)
        expect(found.p50_ms_one_connection[name].median).toBeGreaterThan(found.p50_ms_one_connection.direct.median)
      }
      const { direct, gatehouse } = found.p50_ms_one_connection
      expect(found.added_p50_ms.median).toBeCloseTo(gatehouse.median - direct.median, 2)
      for (const figure of [found.added_p50_ms, found.added_p99_ms, found.p99_ms.gatehouse, gatehouse])
        expect(figure).toEqual({ median: expect.any(Number), least: expect.any(Number), most: expect.any(Number) })
      for (const [index, name] of others.entries()) {
        const ratio = [found.ratios.requests_to_nginx_auth_request, found.ratios.requests_to_configurable_http_proxy][
          index
        ]
        const [own, its] = [found.requests_per_second.gatehouse, found.requests_per_second[name]]
        expect(ratio.median).toBeCloseTo(own / its, 1)
      }
    }, 180_000)
  })
})
