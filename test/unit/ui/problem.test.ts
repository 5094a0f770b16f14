import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Problem } from '#surface/problem.ts'
import { problemPage, problemPages } from '#ui/pages/problem.ts'

const refused: Problem = {
  code: 'forbidden',
  status: 403,
  title: 'There is no such workspace, or it is not shared with you.',
}
const render = problemPages({ externalScheme: 'https', home: 'https://example.test/' })

function fieldsOf(headers: readonly string[]): ReadonlyMap<string, string> {
  const pairs = headers.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), headers[index + 1] ?? ''] as const] : [],
  )
  return new Map(pairs)
}

describe('the page of a refusal', () => {
  test('is the same bytes for everybody but for the request id', () => {
    const one = render(refused, 'request-1')
    const other = render(refused, 'request-2')
    expect(one.headers).toEqual(other.headers)
    expect(one.body.replaceAll('request-1', 'request-2')).toBe(other.body)
  })

  test('allows its own style by hash, and nothing else at all', () => {
    const { headers, body } = render(refused, 'r')
    const style = /<style>(.*)<\/style>/s.exec(body)?.[1] ?? ''
    const policy = fieldsOf(headers).get('content-security-policy') ?? ''
    expect(policy).toContain(`style-src 'sha256-${hash('sha256', style, 'base64')}'`)
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('script-src')
    expect(body).not.toContain('<script')
  })

  test('says code, status, what to do and the request id, and leads to the console', () => {
    const { body } = render(refused, 'k2f9-1')
    expect(body).toContain('There is no such workspace, or it is not shared with you.')
    expect(body).toContain('ask its owner to share it')
    expect(body).toContain('<code>forbidden</code>')
    expect(body).toContain('<code>k2f9-1</code>')
    expect(body).toContain('href="https://example.test/"')
  })

  test('carries the fields against framing, sniffing and leaking; HSTS on https only', () => {
    const fields = fieldsOf(render(refused, 'r').headers)
    expect(fields.get('x-frame-options')).toBe('DENY')
    expect(fields.get('x-content-type-options')).toBe('nosniff')
    expect(fields.get('referrer-policy')).toBe('same-origin')
    expect(fields.get('strict-transport-security')).toMatch(/^max-age=\d+/)
    const plain = problemPages({ externalScheme: 'http', home: 'http://localhost:8800/' })
    expect(fieldsOf(plain(refused, 'r').headers).has('strict-transport-security')).toBe(false)
  })

  test('tries again by itself only where waiting can help', () => {
    expect(render({ code: 'store_unavailable', status: 503, title: 'x' }, 'r').body).toContain(
      'http-equiv="refresh" content="5"',
    )
    expect(render({ code: 'upstream_unreachable', status: 502, title: 'x' }, 'r').body).toContain(
      'http-equiv="refresh"',
    )
    expect(render(refused, 'r').body).not.toContain('http-equiv')
  })

  test('offers the login to who is not logged in', () => {
    expect(render({ code: 'unauthorized', status: 401, title: 'x' }, 'r').body).toContain(
      'href="https://example.test/.gatehouse/login"',
    )
  })

  test('escapes everything it is told', () => {
    const payload = '"><img src=x onerror=alert(1)>'
    const body = problemPage(
      { code: payload, status: 422, title: payload, detail: payload, faults: [{ field: payload, message: payload }] },
      { requestId: payload, home: '/', retryAt: `javascript:${payload}` },
    )
    expect(body).not.toContain('<img')
    expect(body).not.toContain('javascript:')
  })
})
