import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type IdleRule, idleRuleOf, type TemplateOf } from '#activity/idle-policy.ts'
import { leanIdleShutdown, readIdleShutdown } from '#activity/idle-shutdown.ts'
import { idleDefaultAnnotation, idleRulesAnnotation, templateKind } from '#workspace/template.ts'

const minute = 60_000
const probe = { httpGet: { path: '/api/idle', port: 8888 } }
const wish = (minutes: number, fields: object = {}) => ({
  enabled: true,
  idleTimeoutInMinutes: minutes,
  detection: probe,
  ...fields,
})
const older = (minutes: number) => ({ enabled: true, idleShutdownTimeoutMinutes: minutes, detection: probe })

/** The template of the seed, to the letter. */
const seed = {
  displayName: 'Jupyter Template',
  defaultIdleShutdown: { ...older(30), detection: { httpGet: { path: '/api/idle', port: 8888 } } },
  idleShutdownOverrides: { allow: true, minTimeoutMinutes: 60, maxTimeoutMinutes: 240 },
}
const upstream = {
  defaultIdleShutdown: wish(30),
  idleShutdownOverrides: { minIdleTimeoutInMinutes: 60, maxIdleTimeoutInMinutes: 240 },
}
const locked = { defaultIdleShutdown: wish(30), idleShutdownOverrides: { allow: false } }

/** Minutes, and whether something was refused. */
function sum(rule: IdleRule): string {
  const refused = 'refused' in rule ? ', refused' : ''
  return rule.kind === 'on' ? `${rule.policy.timeout / minute}${refused}` : `${rule.kind}${refused}`
}

describe('templates: defaults, bounds, lock', () => {
  test.each<[claim: string, own: unknown, template: TemplateOf, is: string]>([
    ['[SP13.1] the default is inherited', undefined, seed, '30'],
    ['the default is inherited in the other spelling', undefined, upstream, '30'],
    ['an override at the lower bound counts', wish(60), seed, '60'],
    ['an override at the upper bound counts', wish(240), seed, '240'],
    ['an override below is refused, and the default counts', wish(59), seed, '30, refused'],
    ['an override above is refused, and the default counts', wish(241), seed, '30, refused'],
    ['bounds in the other spelling refuse too', wish(59), upstream, '30, refused'],
    ['the older spelling of an override counts', older(60), upstream, '60'],
    ['the older spelling of an override is bound', older(241), upstream, '30, refused'],
    ['[SP13.3] bounds bind overrides alone: a default of 30 below bounds of 60 to 240 is valid', undefined, seed, '30'],
    ['the default said again is no override', wish(30), seed, '30'],
    ['a lock refuses another time', wish(31), locked, '30, refused'],
    ['a lock refuses another endpoint', wish(30, { detection: {} }), locked, '30, refused'],
    ['a lock refuses to be switched off', wish(30, { enabled: false }), locked, '30, refused'],
    ['a lock accepts the same in the other spelling', older(30), locked, '30'],
    [
      '[SP13.5] allow absent means true',
      wish(100),
      { defaultIdleShutdown: wish(30), idleShutdownOverrides: {} },
      '100',
    ],
    ['no overrides said means true', wish(100), { defaultIdleShutdown: wish(30) }, '100'],
    ['never is longer than an upper bound', { enabled: false }, seed, '30, refused'],
    ['never is within no upper bound', { enabled: false }, { defaultIdleShutdown: wish(30) }, 'off'],
    ['a default that is off stops nothing', undefined, { defaultIdleShutdown: wish(30, { enabled: false }) }, 'off'],
    ['a template without a word of it leaves it to the workspace', wish(5), {}, '5'],
    ['without a template the workspace says it', wish(5), 'none', '5'],
    ['nobody says anything', undefined, 'none', 'off'],
    ['a template that is not known', wish(5), 'missing', 'unknown'],
    [
      'a template with two bounds for one',
      wish(5),
      { idleShutdownOverrides: { minTimeoutMinutes: 1, minIdleTimeoutInMinutes: 2 } },
      'unknown',
    ],
    ['a template whose default can not be read', wish(5), { defaultIdleShutdown: { enabled: 'yes' } }, 'unknown'],
    ['a template whose rules can not be read', undefined, { ...seed, idleShutdownRules: 'x' }, 'unknown'],
    [
      'a template with a rule that nobody knows',
      undefined,
      { ...seed, idleShutdownRules: { mostlyHarmless: 1 } },
      'unknown',
    ],
    ['a pause until no date', undefined, { ...seed, idleShutdownRules: { pausedUntil: 'tomorrow' } }, 'unknown'],
    ['less than a minute can not be asked for', wish(0), 'none', 'unknown'],
    ['less than a minute is refused for the default', wish(0), seed, '30, refused'],
    ['half minutes are none', wish(1.5), 'none', 'unknown'],
    ['the two spellings say different times', { ...wish(5), idleShutdownTimeoutMinutes: 6 }, 'none', 'unknown'],
    ['the two spellings say the same', { ...wish(5), idleShutdownTimeoutMinutes: 5 }, 'none', '5'],
    ['no time at all', { enabled: true, detection: probe }, 'none', 'unknown'],
  ])('%s', (_, own, template, is) => {
    expect(sum(idleRuleOf(own, template))).toBe(is)
  })

  test('[SP13.2] overrides of 60 and 240 are ok, of 59 and 241 refused', () => {
    const of = (minutes: number) => sum(idleRuleOf(wish(minutes), seed))
    expect([60, 240, 59, 241].map(of)).toEqual(['60', '240', '30, refused', '30, refused'])
  })

  test('[SP13.4] a lock refuses any different value, and accepts an identical one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }), (fallback, own) => {
        const rule = idleRuleOf(wish(own), { ...locked, defaultIdleShutdown: wish(fallback) })
        expect(sum(rule)).toBe(own === fallback ? `${own}` : `${fallback}, refused`)
      }),
    )
  })

  test('[SP13.6] the field names of the seed and of upstream both work, and mean the same', () => {
    const bound = fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), bound, bound, fc.boolean(), (minutes, min, max, allow) => {
        const ours = { allow, minIdleTimeoutInMinutes: min, maxIdleTimeoutInMinutes: max }
        const theirs = { allow, minTimeoutMinutes: min, maxTimeoutMinutes: max }
        const one = idleRuleOf(wish(minutes), { defaultIdleShutdown: older(30), idleShutdownOverrides: ours })
        const other = idleRuleOf(older(minutes), { defaultIdleShutdown: wish(30), idleShutdownOverrides: theirs })
        expect(one).toEqual(other)
      }),
    )
  })

  test('whatever a workspace wishes, it comes to its default, or lies within the bounds', () => {
    const minutes = fc.integer({ min: 1, max: 300 })
    fc.assert(
      fc.property(minutes, minutes, minutes, fc.boolean(), (own, min, max, enabled) => {
        const overrides = { minTimeoutMinutes: min, maxTimeoutMinutes: max }
        const rule = idleRuleOf(wish(own, { enabled }), {
          defaultIdleShutdown: wish(30),
          idleShutdownOverrides: overrides,
        })
        const timeout = rule.kind === 'on' ? rule.policy.timeout / minute : Number.NaN
        expect(timeout === 30 || (min <= timeout && timeout <= max)).toBe(true)
      }),
    )
  })

  test('nothing that can be written makes it throw, or stop within less than a minute', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), fc.anything(), (own, fallback, overrides, rules) => {
        const template = { defaultIdleShutdown: fallback, idleShutdownOverrides: overrides, idleShutdownRules: rules }
        for (const rule of [idleRuleOf(own, 'none'), idleRuleOf(own, template)])
          if (rule.kind === 'on') expect(rule.policy.timeout).toBeGreaterThanOrEqual(minute)
      }),
    )
  })
})

describe('rules of a template', () => {
  const template = (rules: object) => ({ ...seed, idleShutdownRules: rules })
  test('open streams count only where the template says so', () => {
    expect(idleRuleOf(undefined, seed)).toMatchObject({ policy: { connectedCounts: false } })
    expect(idleRuleOf(undefined, template({ connectedCounts: true }))).toMatchObject({
      policy: { connectedCounts: true },
    })
  })

  test('a longest life, a longest work and a pause are read', () => {
    const rules = { maxLifetimeInMinutes: 600, maxBusyInMinutes: 90, pausedUntil: '2026-11-22T00:00:00Z' }
    const pausedUntil = Date.parse('2026-11-22T00:00:00Z')
    expect(idleRuleOf(undefined, template(rules))).toMatchObject({
      policy: { maxLifetime: 600 * minute, maxBusy: 90 * minute, pausedUntil },
    })
    expect(idleRuleOf(undefined, template({ maxBusyInMinutes: 0 }))).toMatchObject({ kind: 'unknown' })
  })

  test('beside jupyter-k8s they are an annotation of the template; one that is no JSON stops nothing', () => {
    const read = (text: string) => templateKind.parseSpec({ ...seed }, { [idleRulesAnnotation]: text })
    expect(idleRuleOf(undefined, read('{"connectedCounts": true}'))).toMatchObject({
      policy: { connectedCounts: true },
    })
    expect(idleRuleOf(undefined, read('{'))).toMatchObject({ kind: 'unknown' })
  })
})

describe('beside jupyter-k8s, which stops by what a template and a workspace say in their fields', () => {
  const inAnnotation = (text: string, spec: object = {}) =>
    templateKind.parseSpec({ displayName: 'Jupyter', ...spec }, { [idleDefaultAnnotation]: text })
  const ours = JSON.stringify({ enabled: true, idleTimeoutInMinutes: 45, detection: {} })
  const off = { enabled: false, idleTimeoutInMinutes: 60, detection: {} }

  test('a default that only Gatehouse reads is an annotation of the template, bound and locked as the field is', () => {
    expect(sum(idleRuleOf(undefined, inAnnotation(ours)))).toBe('45')
    const isLocked = inAnnotation(ours, { idleShutdownOverrides: { allow: false } })
    expect([undefined, wish(100), { enabled: false }].map((own) => sum(idleRuleOf(own, isLocked)))).toEqual([
      ...['45', '45, refused', '45, refused'],
    ])
  })

  test('it counts where the field is absent or switched off; one that is no JSON stops nothing', () => {
    expect(sum(idleRuleOf(undefined, inAnnotation(ours, { defaultIdleShutdown: wish(30) })))).toBe('30')
    expect(sum(idleRuleOf(undefined, inAnnotation(ours, { defaultIdleShutdown: off })))).toBe('45')
    expect(idleRuleOf(undefined, inAnnotation('{'))).toMatchObject({ kind: 'unknown' })
  })

  test('what jupyter-k8s has copied out of a field that is switched off is no wish of anybody, behind a lock also what it copied before; another one is, and a lock refuses it', () => {
    const template = inAnnotation(ours, { defaultIdleShutdown: off, idleShutdownOverrides: { allow: false } })
    const wishes = [off, { ...off, idleTimeoutInMinutes: 61 }, wish(60, { detection: {} }), wish(45)]
    expect(wishes.map((own) => sum(idleRuleOf(own, template)))).toEqual(['45', '45', '45, refused', '45, refused'])
    const open = inAnnotation(ours, { defaultIdleShutdown: off })
    expect(wishes.map((own) => sum(idleRuleOf(own, open)))).toEqual(['45', 'off', '60', '45'])
  })
})

describe('the endpoint', () => {
  const endpointOf = (httpGet: object) => {
    const read = readIdleShutdown({ enabled: true, idleTimeoutInMinutes: 5, detection: { httpGet } })
    return read.ok ? read.wish.endpoint : read.problem
  }
  test('is what the seed and what upstream writes', () => {
    expect(endpointOf({ path: '/api/idle', port: 8888, scheme: 'HTTP' })).toEqual({
      ...{ path: '/api/idle', port: 8888, scheme: 'http', field: ['lastActiveTimestamp'] },
    })
    const lastActivityTimestamp = { responseBodyPath: 'data.last_activity', format: 'unix' }
    expect(endpointOf({ path: 'api/status', port: 'app', scheme: 'HTTPS', lastActivityTimestamp })).toEqual({
      ...{ path: '/api/status', port: 'app', scheme: 'https', field: ['data', 'last_activity'] },
    })
  })

  test('is asked of the pod alone, and with no header, whatever is written', () => {
    const httpHeaders = [{ name: 'Host', value: 'elsewhere.example' }]
    const plain = endpointOf({ path: '/api/idle', port: 8888 })
    expect(endpointOf({ path: '/api/idle', port: 8888, host: 'elsewhere.example', httpHeaders })).toEqual(plain)
  })

  test.each([
    ['a port that is none', { port: 0 }],
    ['a port that is a place', { port: 'elsewhere.example:80' }],
    ['a further request in the path', { port: 1, path: '/ HTTP/1.1\r\nHost: x\r\n\r\n' }],
    ['a scheme of another kind', { port: 1, scheme: 'file' }],
    ['a field of nothing', { port: 1, lastActivityTimestamp: { responseBodyPath: 'a..b' } }],
    ['a field with a space', { port: 1, lastActivityTimestamp: { responseBodyPath: 'a. b' } }],
    ['a field with a line of its own', { port: 1, lastActivityTimestamp: { responseBodyPath: 'a\nb' } }],
    ["a field of JavaScript's own", { port: 1, lastActivityTimestamp: { responseBodyPath: '__proto__.x' } }],
  ])('is refused with %s', (_, httpGet) => {
    expect(endpointOf(httpGet)).toBeTypeOf('string')
  })

  test('what is kept in memory of thousands of workspaces reads the same', () => {
    const httpGet = fc.record(
      {
        path: fc.constantFrom('/a', 'b', ''),
        port: fc.constantFrom(1, 'app', 0),
        scheme: fc.constantFrom('HTTP', 'HTTPS', 'ftp', ''),
        httpHeaders: fc.constant([{ name: 'a', value: 'x'.repeat(1000) }]),
        lastActivityTimestamp: fc.constantFrom({}, { responseBodyPath: 'a.b', format: 'unix' }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.boolean(), fc.option(fc.nat(3)), httpGet, (enabled, minutes, get) => {
        const said = {
          enabled,
          ...(minutes === null ? {} : { idleTimeoutInMinutes: minutes }),
          detection: { httpGet: get },
        }
        const lean = leanIdleShutdown(said)
        expect(JSON.stringify(lean).length).toBeLessThan(300)
        const [whole, kept] = [readIdleShutdown(said), readIdleShutdown(lean)]
        if (whole.ok) expect(kept).toEqual(whole)
        else expect(kept.ok).toBe(false)
      }),
    )
  })
})

describe('an endpoint that is Gatehouse itself', () => {
  const asking = (fields: object = {}) =>
    wish(30, { detection: { httpGet: { path: '/.gatehouse/last-active', port: 8790 } }, ...fields })
  const operator = { tellsOperator: true }

  test.each(['/.gatehouse/last-active', '.gatehouse/last-active'])('is asked by nobody here: %s', (path) => {
    const own = wish(30, { detection: { httpGet: { path, port: 'idle' } } })
    expect(idleRuleOf(own, 'none')).toMatchObject({ policy: { endpoint: undefined, operatorTimeout: undefined } })
    expect(idleRuleOf(own, 'none', operator)).toMatchObject({
      policy: { endpoint: undefined, operatorTimeout: 30 * minute },
    })
  })

  test('somebody else stops by it only what is itself written so, and switched on', () => {
    const template = { defaultIdleShutdown: asking(), idleShutdownOverrides: { allow: false } }
    const told = (own: unknown) => {
      const rule = idleRuleOf(own, template, operator)
      return rule.kind === 'on' ? rule.policy.operatorTimeout : rule.kind
    }
    expect(told(asking())).toBe(30 * minute)
    // Nobody but Gatehouse knows of what a template says by now.
    expect(told(undefined)).toBeUndefined()
    expect(told(asking({ enabled: false }))).toBeUndefined()
    expect(told(wish(30))).toBeUndefined()
  })

  test('a time that its template refuses by now is that of the operator, and that of the template decides', () => {
    const template = {
      ...{ defaultIdleShutdown: asking({ idleTimeoutInMinutes: 60 }) },
      ...{ idleShutdownOverrides: { minIdleTimeoutInMinutes: 45 } },
    }
    expect(idleRuleOf(asking(), template, operator)).toMatchObject({
      policy: { timeout: 60 * minute, operatorTimeout: 30 * minute },
    })
  })

  test('whoever names it where the template refuses it, and names another endpoint, is stopped by Gatehouse', () => {
    const bounded = { defaultIdleShutdown: wish(60), idleShutdownOverrides: { minIdleTimeoutInMinutes: 45 } }
    for (const template of [{ ...locked, defaultIdleShutdown: wish(60) }, bounded]) {
      const rule = idleRuleOf(asking(), template, operator)
      expect(rule).toMatchObject({ policy: { timeout: 60 * minute, operatorTimeout: undefined } })
    }
  })

  test('a lock refuses it in the place of another endpoint', () => {
    expect(sum(idleRuleOf(asking(), locked, operator))).toBe('30, refused')
    expect(sum(idleRuleOf(wish(30, { detection: {} }), { ...locked, defaultIdleShutdown: asking() }))).toBe(
      '30, refused',
    )
  })
})
