/** Probes of clouds need no login, says one gateway or another, and everybody can call themselves one (CVE-2026-34457). */
import { describe, expect, test } from 'vitest'
import { requestText, useTenants } from '#test/support/tenants.ts'

const agents = [
  ...[
    'kube-probe/1.31',
    'GoogleHC/1.0',
    'ELB-HealthChecker/2.0',
    'Envoy/HC',
    'Prometheus/3.0',
    'gatehouse-probe',
    'curl/8',
  ],
  ...['kube-probe/1.31 (alice)', 'Go-http-client/1.1', ''],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#30 whatever it calls itself, it has to log in', async () => {
    const { a, attack, attackTwice, world } = tenants()
    const { authority: host, prefix } = a
    const refused = { status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 }
    for (const agent of agents) {
      for (const path of ['', 'healthz', 'api/status', 'metrics', 'ping', 'robots.txt', 'favicon.ico']) {
        const fields = ['User-Agent', agent]
        expect(await attackTwice({ target: prefix + path, host, fields }), `${agent} ${path}`).toEqual(refused)
      }
      const fields = ['User-Agent', agent, 'Accept', 'text/html']
      const page = await attack(requestText({ target: prefix, host, fields }))
      expect(page).toEqual({ status: 302, reasons: [], upstreamBytes: 0 })
      const api = requestText({ target: '/.gatehouse/api/v1/workspaces', host: `localhost:${world.port}`, fields })
      expect((await attack(api)).status, agent).toBeGreaterThanOrEqual(300)
    }
  })
})
