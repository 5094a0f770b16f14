import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { executionProfileAnnotation, managerAnnotation, portsAnnotation } from '#workspace/annotations.ts'
import { workspaceKind } from '#workspace/workspace.ts'

const read = (spec: unknown, annotations: Record<string, string>) => workspaceKind.parseSpec(spec, annotations)

describe('what an owner says in annotations', () => {
  test('counts as the fields they stand for, defaults included', () => {
    const annotations = {
      [portsAnnotation]: JSON.stringify([{ name: 'app', port: 8501, path: 'strip', activity: 'count' }]),
      [managerAnnotation]: 'second',
      [executionProfileAnnotation]: 'runner',
    }
    expect(read({}, annotations)).toMatchObject({
      ports: [{ name: 'app', port: 8501, path: 'strip', expose: true, activity: 'count' }],
      managerRef: { name: 'second' },
      executionProfileRef: { name: 'runner' },
    })
  })

  test('does not count where the field is there', () => {
    const spec = {
      ports: [{ name: 'own', port: 1000 }],
      managerRef: { name: 'first' },
      executionProfileRef: { name: 'a' },
    }
    const annotations = {
      [portsAnnotation]: '[{"name": "app", "port": 8501}]',
      [managerAnnotation]: 'second',
      [executionProfileAnnotation]: 'b',
    }
    expect(read(spec, annotations)).toEqual(read(spec, {}))
  })

  test.each([
    '',
    '8501',
    'null',
    '{}',
    '[]',
    '[{"name": "app"}]',
    '[{"name": "app", "port": 99999}]',
    '[{"name": "app", "port": 8501, "activity": "sometimes"}]',
    '[{"name": "a", "port": 1}, {"name": "a", "port": 2}]',
    '[{"name": "a", "port": 1}, {"name": "b", "port": 1}]',
    'ports: 8501',
  ])(
    'ports that say nothing sensible, %j, make the workspace unreadable instead of showing the default port',
    (text) => {
      expect(() => read({}, { [portsAnnotation]: text })).toThrow(expect.objectContaining({ code: 'invalid_resource' }))
    },
  )

  test('says the same in annotations as in the spec, and is refused for the same', () => {
    const port = fc.record(
      {
        name: fc.constantFrom('app', 'web', 'Bad Name', ''),
        port: fc.constantFrom(1, 80, 8501, 65_535, 0, 65_536, 1.5),
        label: fc.string(),
        expose: fc.boolean(),
        path: fc.constantFrom('strip', 'preserve', 'other'),
        subpath: fc.constantFrom('/', '/sub/', '/../', 'sub'),
        probe: fc.constantFrom({ tcp: {} }, { httpGet: { path: '/healthz' } }, {}),
        activity: fc.constantFrom('count', 'ignore', 'other', true),
      },
      { requiredKeys: ['name', 'port'] },
    )
    const outcome = (parse: () => unknown) => {
      try {
        return JSON.stringify(parse())
      } catch {
        return 'refused'
      }
    }
    fc.assert(
      fc.property(fc.array(port, { maxLength: 3 }), (ports) => {
        const annotated = outcome(() => read({}, { [portsAnnotation]: JSON.stringify(ports) }).ports)
        return annotated === outcome(() => read({ ports }, {}).ports)
      }),
      { numRuns: 500 },
    )
  })
})
