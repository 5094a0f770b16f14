/** Caddy's forward_auth to a responder of its own process, so that its time counts too. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The path of a Caddyfile. */
export function caddyConfiguration(port: number, upstream: number): string {
  const file = join(mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), 'Caddyfile')
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port + 1} {
  bind 127.0.0.1
  respond 204
}
http://127.0.0.1:${port} {
  bind 127.0.0.1
  forward_auth 127.0.0.1:${port + 1} {
    uri /auth
  }
  reverse_proxy 127.0.0.1:${upstream}
}
`,
  )
  return file
}
