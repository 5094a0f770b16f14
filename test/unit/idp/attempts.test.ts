import { expect, test } from 'vitest'
import { attempts } from '#idp/attempts.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

const known = (username: string) => username === 'alice' || username === 'bob'

test('ten wrong passwords in a row make the next try wait, of that person alone', () => {
  const guesses = attempts(fakeClock(), known)
  for (let tries = 0; tries < 10; tries++) {
    expect(guesses.wait('alice')).toBe(0)
    guesses.failed('alice')
  }
  expect(guesses.wait('alice')).toBeGreaterThan(0)
  expect(guesses.wait('bob')).toBe(0)
})

test('with time tries come back one by one, and never more than ten', async () => {
  const clock = fakeClock()
  const guesses = attempts(clock, known)
  for (let tries = 0; tries < 10; tries++) guesses.failed('alice')
  await clock.advance(guesses.wait('alice'))
  expect(guesses.wait('alice')).toBe(0)
  guesses.failed('alice')
  expect(guesses.wait('alice')).toBeGreaterThan(0)
  await clock.advance(24 * 3_600_000)
  for (let tries = 0; tries < 10; tries++) guesses.failed('alice')
  expect(guesses.wait('alice')).toBeGreaterThan(0)
})

test('the right password forgets the wrong ones', () => {
  const guesses = attempts(fakeClock(), known)
  for (let tries = 0; tries < 9; tries++) guesses.failed('alice')
  guesses.succeeded('alice')
  guesses.failed('alice')
  expect(guesses.wait('alice')).toBe(0)
})

test('names that nobody has share one account of tries, so that inventing names costs no memory and gains no time', () => {
  const guesses = attempts(fakeClock(), known)
  for (let tries = 0; tries < 10; tries++) guesses.failed(`invented-${tries}`)
  expect(guesses.wait('another')).toBeGreaterThan(0)
  expect(guesses.wait('alice')).toBe(0)
})
