import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DeclaredObject, ManifestFile } from '#resources/embedded/manifest-file.ts'
import { type ManifestPlan, planManifests, type SourcedObject } from '#resources/embedded/manifest-plan.ts'
import { workspaceKind } from '#workspace/workspace.ts'

/** A file as the names it declares, or `broken`. */
type Sketch = Readonly<Record<string, readonly string[] | 'broken'>>

function plan(
  files: Sketch,
  sourced: Readonly<Record<string, string>> = {},
  more: { unreadable?: string; foreign?: string } = {},
) {
  const { unreadable, foreign } = more
  return planManifests(
    {
      files: new Map(Object.entries(files).map(([file, content]) => [file, manifest(file, content)])),
      unreadable: unreadable === undefined ? [] : [{ file: unreadable, line: 0, reason: 'no permission' }],
    },
    {
      sourced: Object.entries(sourced).map(([name, source]): SourcedObject => ({ ...key(name), source })),
      isForeign: ({ name }) => name === foreign,
    },
  )
}

function manifest(file: string, content: readonly string[] | 'broken'): ManifestFile {
  if (content === 'broken') return { ok: false, problems: [{ file, line: 3, reason: 'broken' }] }
  return { ok: true, objects: content.map((name, index) => declared(name, index + 1)) }
}

function declared(name: string, line: number): DeclaredObject {
  return { key: key(name), kind: workspaceKind, labels: '{}', annotations: '{}', declared: '{}', line }
}

function key(name: string) {
  return { group: 'workspace.jupyter.org', kind: 'Workspace', namespace: 'default', name }
}

function outline({ put, remove, problems }: ManifestPlan) {
  return {
    put: put.map(({ file, object }) => `${file}:${object.key.name}`),
    remove: remove.map(({ name }) => name),
    problems: problems.map(({ file, line, reason }) => `${file}:${line} ${reason}`),
  }
}

describe('the plan', () => {
  test('puts what files say and removes what none says any more', () => {
    expect(
      outline(plan({ 'a.yaml': ['one'], 'b.yaml': ['two'] }, { one: 'a.yaml', old: 'a.yaml', gone: 'c.yaml' })),
    ).toEqual({
      put: ['a.yaml:one', 'b.yaml:two'],
      remove: ['old', 'gone'],
      problems: [],
    })
  })

  test('leaves all that a broken file said, and says so', () => {
    expect(outline(plan({ 'a.yaml': 'broken', 'b.yaml': ['two'] }, { one: 'a.yaml', two: 'b.yaml' }))).toEqual({
      put: ['b.yaml:two'],
      remove: [],
      problems: ['a.yaml:3 broken'],
    })
  })

  test.each(['.', 'sub', 'sub/a.yaml'])('leaves all that is below %s when that cannot be read', (unreadable) => {
    const { remove, problems } = outline(plan({}, { one: 'sub/a.yaml' }, { unreadable }))
    expect(remove).toEqual([])
    expect(problems).toEqual([`${unreadable}:0 no permission`])
  })

  test('does not take subway.yaml for something below sub', () => {
    expect(outline(plan({}, { one: 'subway.yaml' }, { unreadable: 'sub' })).remove).toEqual(['one'])
  })

  test('an object that moves to another file is put, not removed', () => {
    expect(outline(plan({ 'b.yaml': ['one'] }, { one: 'a.yaml' }))).toEqual({
      put: ['b.yaml:one'],
      remove: [],
      problems: [],
    })
  })
})

describe('a name in two files', () => {
  test('belongs to the one that has it, whichever comes first', () => {
    const { put, problems } = outline(plan({ 'a.yaml': ['one', 'two'], 'b.yaml': ['one'] }, { one: 'b.yaml' }))
    expect(put).toEqual(['b.yaml:one'])
    expect(problems).toEqual(['a.yaml:1 Workspace default/one is already given by b.yaml'])
  })

  test('belongs to the first by path when nobody has it', () => {
    expect(outline(plan({ 'a.yaml': ['one'], 'b.yaml': ['one', 'two'] }))).toEqual({
      put: ['a.yaml:one'],
      remove: [],
      problems: ['b.yaml:1 Workspace default/one is already given by a.yaml'],
    })
  })

  test('belongs to a broken file whose last version gave it', () => {
    const { put, remove, problems } = outline(plan({ 'a.yaml': ['one'], 'b.yaml': 'broken' }, { one: 'b.yaml' }))
    expect([put, remove, problems.length]).toEqual([[], [], 2])
  })

  test('of which the second is refused leaves all that the second said before', () => {
    const found = outline(
      plan({ 'a.yaml': ['one'], 'b.yaml': ['one'], 'c.yaml': ['old'] }, { one: 'a.yaml', old: 'b.yaml' }),
    )
    expect(found.put).toEqual(['a.yaml:one'])
    expect(found.remove).toEqual([])
    expect(found.problems.map((problem) => problem.split(' ')[0])).toEqual(['b.yaml:1', 'c.yaml:1'])
  })

  test('or twice in one file, or of an object that no file made, is refused', () => {
    expect(outline(plan({ 'a.yaml': ['one', 'one'] })).problems).toEqual([
      'a.yaml:2 Workspace default/one is there twice',
    ])
    const found = outline(plan({ 'a.yaml': ['one', 'mine'] }, {}, { foreign: 'mine' }))
    expect(found.put).toEqual([])
    expect(found.problems[0]).toContain('was not made by a file')
  })
})

test('whatever the files say: no name is put twice or put and removed, and nothing of a file with a problem is touched', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const file = fc.constantFrom('1.yaml', '2.yaml', '3.yaml', '4.yaml')
  const content = fc.oneof(fc.array(name, { maxLength: 4 }), fc.constant('broken' as const))
  fc.assert(
    fc.property(fc.dictionary(file, content), fc.dictionary(name, file), (files, sourced) => {
      const { put, remove, problems } = plan(files, sourced)
      const names = [...put.map(({ object }) => object.key.name), ...remove.map((object) => object.name)]
      expect(new Set(names).size).toBe(names.length)
      const withProblem = new Set(problems.map((problem) => problem.file))
      for (const one of put) {
        expect(withProblem).not.toContain(one.file)
        expect(withProblem).not.toContain(sourced[one.object.key.name])
      }
      for (const one of remove) expect(withProblem).not.toContain(one.source)
    }),
  )
})
