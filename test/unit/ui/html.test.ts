import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeHtml, html, linkTarget } from '#ui/html.ts'

const entities: ReadonlyMap<string, string> = new Map([
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&#39;', "'"],
])
const decoded = (text: string) => text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => entities.get(entity) ?? '')

describe('what is put into a template', () => {
  const hostile = fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', ';', '#', 'a', '/', '=', ' ') })

  test('cannot leave its text or its quoted attribute, and is read back as it was', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
        const page = html`<p title="${text}">${text}</p>`.toString()
        const inner = /^<p title="([^"<>']*)">([^"<>']*)<\/p>$/s.exec(page)
        expect(inner).not.toBeNull()
        expect(decoded(inner?.[1] ?? '')).toBe(text)
        expect(decoded(inner?.[2] ?? '')).toBe(text)
      }),
    )
  })

  test('is escaped once, however deep the templates are nested', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const inner = html`<b>${text}</b>`
        expect(html`<i>${[inner, inner]}</i>`.toString()).toBe(`<i>${inner}${inner}</i>`)
        expect(inner.toString()).toBe(`<b>${escapeHtml(text)}</b>`)
      }),
    )
  })

  test('is escaped when it only looks like markup of ours', () => {
    const forged: unknown = { toString: () => '<script>' }
    expect(html`${String(forged)}`.toString()).toBe('&lt;script&gt;')
  })

  test('shows nothing for undefined and false, and numbers as they are', () => {
    expect(html`${undefined}${false}${0}${[1, 'a']}`.toString()).toBe('01a')
  })
})

describe('the target of a link', () => {
  test.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    ' javascript:x',
    'data:text/html,x',
    '//evil.test',
    '/\\evil.test',
    'vbscript:x',
    'x',
    '',
  ])('%j goes nowhere', (url) => expect(linkTarget(url)).toBe('#'))

  test.each(['/', '/.gatehouse/whoami?x=1', 'https://a.example.test/lab', 'http://localhost:8800/'])(
    '%j stays what it is',
    (url) => expect(linkTarget(url)).toBe(url),
  )

  test('is never anything but a path of this origin or an http(s) URL', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl()), (url) => {
        const target = linkTarget(url)
        const base = new URL(target, 'https://here.test/')
        expect(['http:', 'https:']).toContain(base.protocol)
        if (target.startsWith('/') || target === '#') expect(base.host).toBe('here.test')
      }),
    )
  })
})
