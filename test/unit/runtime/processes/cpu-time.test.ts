import { describe, expect, test } from 'vitest'
import { usedBetween } from '#runtime/processes/cpu-time.ts'
import { treeIn } from '#runtime/processes/process-list.ts'

const time = (key: string, own: number, ended = 0) => ({ key, own, ended })

describe('what a tree of processes used between two looks', () => {
  test.each([
    ['nothing where nothing runs', [], [], 0],
    ['what each used by itself', [time('a', 100), time('b', 50)], [time('a', 300), time('b', 60)], 210],
    ['all of one that is new', [time('a', 100)], [time('a', 100), time('b', 400)], 400],
    ['what one that has ended used since the first look', [time('a', 0), time('b', 500)], [time('a', 0, 700)], 200],
    ['what came and went in between', [time('a', 0)], [time('a', 0, 900)], 900],
    ['nothing less than nothing', [time('a', 500), time('b', 400)], [time('a', 500)], 0],
    ['a number that was given again is another process', [time('7 1', 900)], [time('7 2', 30)], 30],
  ])('%s', (_, before, after, used) => {
    expect(usedBetween(before, after)).toBe(used)
  })
})

test('as macOS lists processes, the tree of a leader is found, with its group', () => {
  const text = [
    '    1     0     1   1:02.50 Sun Nov 22 08:00:00 2026',
    '  500     1   500   0:00.30 Sun Nov 22 09:00:00 2026',
    '  501   500   500  12:00.00 Sun Nov 22 09:00:01 2026',
    '  600   501   600   1:01:00.25 Sun Nov 22 09:10:00 2026',
    '  700     1   500   0:01.00 Sun Nov 22 09:11:00 2026',
    '  800     1   800   2-00:00:00 Sun Nov 22 09:11:00 2026',
    'no line of ps',
  ].join('\n')
  expect(treeIn(text, 500).map(({ key, own }) => [key, own])).toEqual([
    ['500 Sun Nov 22 09:00:00 2026', 300],
    ['501 Sun Nov 22 09:00:01 2026', 720_000],
    ['600 Sun Nov 22 09:10:00 2026', 3_660_250],
    ['700 Sun Nov 22 09:11:00 2026', 1_000],
  ])
})
