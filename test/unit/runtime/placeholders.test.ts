import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asksForTcp, resolverOf } from '#runtime/processes/placeholders.ts'

const resolver = (env: Record<string, string>, fixed: Record<string, string> = {}, base: Record<string, string> = {}) =>
  resolverOf({ env, fixed: new Map(Object.entries(fixed)), base: new Map(Object.entries(base)) })

describe('placeholders', () => {
  test('stand for fixed names, variables of the plan, and the base below them', () => {
    const it = resolver({ A: `a-\${B}`, B: `b-\${HOME}` }, { HOME: '/h', SOCKET_80: '/s' }, { PATH: '/bin' })
    expect(it.fill(`\${A} \${SOCKET_80} \${PATH}`)).toBe('a-b-/h /s /bin')
  })

  test('that nobody knows stay as they are, and a doubled sign makes one literal', () => {
    const it = resolver({ A: 'a' })
    expect(it.fill(`\${UNKNOWN} $A $$ \${A:-x} $\${A}`)).toBe(`\${UNKNOWN} $A $$ \${A:-x} \${A}`)
  })

  test('a variable that names itself means the one below', () => {
    expect(resolver({ PATH: `/x:\${PATH}` }, {}, { PATH: '/bin' }).valueOf('PATH')).toBe('/x:/bin')
  })

  test('a port that is not declared is refused', () => {
    expect(() => resolver({}).fill(`\${SOCKET_22}`)).toThrow('not declared')
  })

  test('a value that grows without bound is refused before it has grown', () => {
    const env: Record<string, string> = { V0: 'x'.repeat(100) }
    for (let level = 1; level < 60; level++) env[`V${level}`] = `\${V${level - 1}}`.repeat(10)
    expect(() => resolver(env).valueOf('V59')).toThrow('longer than')
  })

  test('whatever the variables hold, they resolve within bounds or are refused', () => {
    const name = fc.constantFrom('A', 'B', 'C', 'HOME')
    const value = fc.array(
      fc.oneof(
        name.map((it) => `\${${it}}`),
        fc.string({ maxLength: 5 }),
      ),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('A', 'B', 'C', '__proto__'),
          value.map((parts) => parts.join('')),
        ),
        (env) => {
          const it = resolver(env, { HOME: '/h' })
          for (const key of Object.keys(env)) {
            try {
              expect((it.valueOf(key) ?? '').length).toBeLessThan(200_000)
            } catch (error) {
              expect(error).toMatchObject({ code: 'invalid_resource' })
            }
          }
        },
      ),
    )
  })

  test('a TCP port is asked for by its whole name only', () => {
    expect(asksForTcp([`--port=\${TCP_PORT_8501}`], 8501)).toBe(true)
    expect(asksForTcp([`--port=\${TCP_PORT_8501}`], 850)).toBe(false)
  })
})
